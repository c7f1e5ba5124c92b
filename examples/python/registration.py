"""Keeps a worker known to Holdfast's directory, which comes and goes: registers, renews, and says goodbye."""

import logging
import os
import threading
import time

import grpc

from holdfast.v1 import health_pb2, health_pb2_grpc

# What members of a platform carry, and ask their callers for; empty: nobody is asked.
CLUSTER_TOKEN = os.environ.get("HOLDFAST_AUTH__CLUSTER_TOKEN", "")
CREDENTIALS = [("authorization", f"Bearer {CLUSTER_TOKEN}")] if CLUSTER_TOKEN else []
ANSWER_WITHIN = 10  # seconds: the directory calls the worker back before it answers
TRY_AGAIN = 0.5
LOOK = 0.1  # whether it is told to leave


def keep_registered(address, worker, leaving):
    """Registers `worker`, and renews until the event `leaving` is set. Blocks."""
    with grpc.insecure_channel(address) as channel:
        directory = health_pb2_grpc.HealthServiceStub(channel)
        while not leaving.is_set():
            try:
                stay(directory, worker, leaving)
            except grpc.RpcError as error:
                logging.warning("not registered at %s: %s", address, error.details())
            leaving.wait(TRY_AGAIN)
        try:
            goodbye = health_pb2.RegisterWorkerRequest(worker=worker, draining=True)
            directory.RegisterWorker(goodbye, timeout=2, metadata=CREDENTIALS)
        except grpc.RpcError:
            pass  # it finds out by itself


def stay(directory, worker, leaving):
    """Watches first and registers then, so that a directory that starts anew in between is noticed."""
    watch = directory.Watch(health_pb2.WatchRequest(worker_id=worker.worker_id), metadata=CREDENTIALS)
    forgotten = threading.Event()
    threading.Thread(target=wait_for_the_end, args=(watch, forgotten), daemon=True).start()
    try:
        told = False
        while not forgotten.is_set() and not leaving.is_set():
            request = health_pb2.RegisterWorkerRequest(worker=worker)
            registered = directory.RegisterWorker(request, timeout=ANSWER_WITHIN, metadata=CREDENTIALS)
            if not told:
                logging.info("registered as %s at %s", worker.worker_id, worker.address)
                told = True
            renew_at = time.monotonic() + registered.renew_after.ToNanoseconds() / 1e9
            while time.monotonic() < renew_at and not leaving.is_set() and not forgotten.wait(LOOK):
                pass
    finally:
        watch.cancel()


def wait_for_the_end(watch, forgotten):
    """Sets `forgotten` when the directory has ended, or says that the worker is gone."""
    try:
        for change in watch:
            if change.WhichOneof("change") == "worker_gone":
                break
    except grpc.RpcError:
        pass
    forgotten.set()
