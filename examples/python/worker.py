"""A Holdfast worker in plain grpcio: the contract of proto/holdfast/v1/worker.proto around the tools of tools.py."""

import argparse
import hmac
import inspect
import json
import logging
import os
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc

from attempt import EXECUTED, LOCK, NOT_EXECUTED, REPEATABLE, Attempt, Row, seconds, watch_the_clock
from holdfast.v1 import common_pb2 as v1
from holdfast.v1 import worker_pb2, worker_pb2_grpc
from refusal import refuse
from registration import CLUSTER_TOKEN, keep_registered
from tools import TOOLS

SLOTS = 8
HEARTBEAT, FENCE_MEMORY = 3, 3600  # seconds
# One incarnation: new at every start. Whoever starts this process may have given it its id, to know it by.
WORKER_ID = os.environ.get("HOLDFAST_JOIN__WORKER_ID") or f"worker_{uuid.uuid4().hex}"


class Worker(worker_pb2_grpc.WorkerServiceServicer):
    def __init__(self, address):
        manifests = [manifest for manifest, _, _ in TOOLS.values()]
        self.info = v1.WorkerInfo(worker_id=WORKER_ID, address=address, slots=SLOTS, tools=manifests)
        self.rows, self.working, self.draining = {}, 0, False
        threading.Thread(target=watch_the_clock, args=(self.rows,), daemon=True).start()

    def Describe(self, request, context):
        return worker_pb2.DescribeResponse(
            worker=self.info, version="example", slots_used=self.working, draining=self.draining)

    def Execute(self, request, context):
        with LOCK:
            attempt = self.admit(request, context)
            attempt.drivers += 1
        if not context.add_callback(lambda: self.left(attempt)):
            self.left(attempt)
        told, event = None, worker_pb2.ExecuteResponse(heartbeat=worker_pb2.Heartbeat())
        while context.is_active() and not event.HasField("finished"):
            yield event
            with LOCK:
                news = lambda: attempt.outcome or attempt.told is not told or not context.is_active()
                LOCK.wait_for(news, HEARTBEAT)
                if attempt.outcome:
                    event = worker_pb2.ExecuteResponse(finished=attempt.outcome)
                else:
                    progress = attempt.told if attempt.told is not told else None
                    event = worker_pb2.ExecuteResponse(heartbeat=worker_pb2.Heartbeat(progress=progress))
                told = attempt.told
        yield event

    def left(self, attempt):
        with LOCK:
            attempt.drivers, attempt.left_at = attempt.drivers - 1, time.monotonic()
            LOCK.notify_all()

    def addressed(self, request, context):
        if request.worker_id != WORKER_ID:
            refuse(context, "WRONG_INCARNATION", f"this is {WORKER_ID}", worker_id=WORKER_ID)

    def row_of(self, request, context):
        """Finds a call's row, and shows it the request's epoch: one that is lower than it has seen is refused."""
        self.addressed(request, context)
        row = self.rows.get((request.call.task_id, request.call.call))
        if row and request.epoch < row.epoch:
            refuse(context, "STALE_EPOCH", f"a driver of epoch {row.epoch} was here", epoch=str(row.epoch))
        if row:
            row.epoch = request.epoch
        return row

    def admit(self, request, context):
        """Attaches to the attempt that runs or has ended here, or starts one."""
        row = self.row_of(request, context)
        if request.tool not in TOOLS:
            refuse(context, "TOOL_GONE", f"no tool {request.tool} here")
        manifest, tool, _ = TOOLS[request.tool]
        side_effect = request.side_effect or manifest.side_effect
        known = row and row.attempt
        failed = known and known.outcome and known.effect() != EXECUTED
        harmless = failed and (known.effect() == NOT_EXECUTED or side_effect in REPEATABLE)
        if known and not (harmless and request.attempt > known.request.attempt):
            if (known.request.tool, known.key) != (request.tool, request.key):
                refuse(context, "KEY_MISMATCH", "the call is known here with another tool or key")
            row.driver = max(row.driver, request.epoch)
            return known
        spent = row and side_effect not in REPEATABLE and (row.effect == EXECUTED or not row.acked)
        if row and (request.attempt <= row.settled or spent):
            refuse(context, "TOO_LATE", "the call ended here, and its outcome was let go", outcome="UNKNOWN")
        until = seconds(request.not_after)
        if time.time() > until:
            refuse(context, "TOO_LATE", "its not_after has passed")
        if self.draining or self.working >= SLOTS:
            refuse(context, "NO_CAPACITY", "no free slot")
        try:
            args = json.loads(request.args.json)
            inspect.signature(tool).bind(None, **args)
        except (TypeError, ValueError) as error:
            refuse(context, "BAD_ARGUMENTS", f"args: {error}")
        row = self.rows[request.call.task_id, request.call.call] = row or Row(request.epoch, until)
        row.attempt, row.driver, row.until = Attempt(request, side_effect, WORKER_ID), request.epoch, until
        self.working += 1
        threading.Thread(target=self.work, args=(row.attempt, tool, args), daemon=True).start()
        return row.attempt

    def work(self, attempt, tool, args):
        attempt.run(tool, args)
        with LOCK:
            self.working -= 1

    def Fence(self, request, context):
        with LOCK:
            row = self.row_of(request, context)
            until = seconds(request.not_after) if request.HasField("not_after") else time.time() + FENCE_MEMORY
            if row is None:
                row = self.rows[request.call.task_id, request.call.call] = Row(request.epoch, until)
            row.until, attempt = max(row.until, until), row.attempt
            if attempt and not attempt.outcome and not attempt.begun and request.epoch > row.driver:
                attempt.stop("FENCED", v1.Failure.CLASS_CANCELLED)
            if attempt is None:
                answer = "never_seen" if row.effect == NOT_EXECUTED and row.acked else "interrupted"
            elif attempt.outcome is None:
                answer = "running"  # to be attached to, also where its tool takes its time to stop
            elif attempt.stopped and attempt.effect() != EXECUTED:
                answer = "stopped_before_effect" if attempt.effect() == NOT_EXECUTED else "interrupted"
            else:
                return worker_pb2.FenceResponse(finished=attempt.outcome)
            return worker_pb2.FenceResponse(**{answer: {}})

    def Cancel(self, request, context):
        with LOCK:
            row = self.row_of(request, context)
            if row and row.attempt and not row.attempt.outcome:
                row.attempt.stop("CANCELLED_BY_CALLER", v1.Failure.CLASS_CANCELLED)
        return worker_pb2.CancelResponse()

    def Ack(self, request, context):
        with LOCK:
            self.addressed(request, context)
            for recorded in request.recorded:
                row = self.rows.get((recorded.call.task_id, recorded.call.call))
                if row is None or recorded.epoch < row.epoch:
                    continue  # not known, or a later driver's
                if row.attempt and row.attempt.outcome and row.attempt.request.attempt <= recorded.attempt:
                    row.let_go(acked=True)
        return worker_pb2.AckResponse()

    def Check(self, request, context):
        with LOCK:  # as a call does
            self.addressed(request, context)
            if request.tool:
                refuse(context, "UNIMPLEMENTED", f"{request.tool} has no trial of its own")
        return worker_pb2.CheckResponse(slots_used=self.working, draining=self.draining)

    def Reconcile(self, request, context):
        self.addressed(request, context)
        _, _, probe = TOOLS.get(request.tool) or refuse(context, "TOOL_GONE", f"no tool {request.tool} here")
        if probe is None:
            refuse(context, "UNIMPLEMENTED", f"{request.tool} can't be asked")
        try:
            result = probe(request.key, **json.loads(request.args.json))
        except Exception:
            logging.exception("the probe of %s failed", request.tool)
            return worker_pb2.ReconcileResponse(unknown={})
        if result is None:
            return worker_pb2.ReconcileResponse(not_done={})
        return worker_pb2.ReconcileResponse(done={"result": {"json": json.dumps(result)}})


class Gate(grpc.ServerInterceptor):
    """Lets nobody in but the platform's own processes, where they have a token in common."""

    def __init__(self, token):
        self.wanted = f"Bearer {token}".encode()
        self.closed = grpc.unary_unary_rpc_method_handler(self.turn_away)

    def intercept_service(self, proceed, call):
        shown = dict(call.invocation_metadata).get("authorization", "").encode()
        return proceed(call) if hmac.compare_digest(shown, self.wanted) else self.closed

    def turn_away(self, request, context):
        refuse(context, "WRONG_TOKEN", "this worker is called with HOLDFAST_AUTH__CLUSTER_TOKEN")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--join", default=os.environ.get("HOLDFAST_JOIN__HEALTH"), help="where `health` listens")
    parser.add_argument("--listen", default=os.environ.get("HOLDFAST_WORKER__LISTEN", "127.0.0.1:0"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="worker.py: %(message)s")
    # Orchestrators ping idle connections every 5 s; grpcio would hang up on them (ENHANCE_YOUR_CALM).
    options = [("grpc.http2.min_ping_interval_without_data_ms", 1000), ("grpc.keepalive_permit_without_calls", 1)]
    gates = [Gate(CLUSTER_TOKEN)] if CLUSTER_TOKEN else []
    server = grpc.server(ThreadPoolExecutor(max_workers=8 * SLOTS), interceptors=gates, options=options)
    port = server.add_insecure_port(args.listen)
    worker = Worker(f"{args.listen.rpartition(':')[0]}:{port}")
    worker_pb2_grpc.add_WorkerServiceServicer_to_server(worker, server)
    server.start()
    leaving = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leaving.set())
    keep_registered(args.join, worker.info, leaving)
    worker.draining = True
    server.stop(grace=20).wait()


if __name__ == "__main__":
    main()
