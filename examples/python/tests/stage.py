"""What the checks play on: a real `holdfast dev` on free ports, Python workers that join it, and a folder for both."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import grpc

from holdfast.v1 import health_pb2, health_pb2_grpc, worker_pb2_grpc
from registration import CREDENTIALS

EXAMPLE = Path(__file__).resolve().parent.parent
# Runs a program that ends with its parent, however that ends (Linux: PR_SET_PDEATHSIG). A program of its own and no
# `preexec_fn`: gRPC's threads don't survive a fork.
BOUND = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execvp(sys.argv[1], sys.argv[1:])"
PATIENCE = 30  # seconds that anything may take; nothing waits for so long unless it is broken


def eventually(what, condition, within=PATIENCE):
    """Waits until a condition gives something, and returns it."""
    end = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"no {what} in {within} s")
        time.sleep(0.02)
    return found


class Carries(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Carries the cluster's token, as a member does."""

    def intercept_unary_unary(self, proceed, call, request):
        return proceed(call._replace(metadata=CREDENTIALS), request)

    intercept_unary_stream = intercept_unary_unary


class Stage:
    """A platform that runs. What it starts ends with `close`."""

    def __init__(self, binary):
        self.binary, self.started = binary, ExitStack()
        self.processes = {}  # the workers by id
        self.folder = Path(self.started.enter_context(tempfile.TemporaryDirectory()))
        self.ledger = self.folder / "ledger.jsonl"
        self.addresses = {"orchestrator": "127.0.0.1:0", "health": "127.0.0.1:0", "idempotency": "127.0.0.1:0"}
        try:
            self.start_platform()
            self.server = f"http://{self.addresses['orchestrator']}"
            self.health = health_pb2_grpc.HealthServiceStub(self.channel(self.addresses["health"]))
        except BaseException:
            self.close()
            raise

    def start_platform(self):
        """Starts `holdfast dev`: first on free ports, and then on those that it had."""
        command = [self.binary, "dev", "--data-dir", "data", "--print-addresses", "--metrics", "127.0.0.1:0"]
        command += ["--listen", self.addresses["orchestrator"]]
        listen = {f"HOLDFAST_LISTEN__{role.upper()}": self.addresses[role] for role in ("health", "idempotency")}
        self.platform = self.start(command, listen, stdout=subprocess.PIPE)
        self.addresses = json.loads(self.platform.stdout.readline())

    def close(self):
        self.started.close()

    def start(self, command, variables=None, **more):
        """Starts a program in the folder."""
        path = os.pathsep.join([str(EXAMPLE), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"LEDGER": str(self.ledger), "PYTHONPATH": path} | (variables or {})
        log = self.started.enter_context((self.folder / "log.txt").open("ab"))
        if sys.platform == "linux":
            command = [sys.executable, "-S", "-c", BOUND, *command]
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stderr=log, **more)
        self.started.callback(end, process)
        return process

    def log(self):
        return (self.folder / "log.txt").read_text(errors="replace")

    def worker(self):
        """Starts a Python worker, and waits until the directory has it."""
        before = {worker.info.worker_id for worker in self.workers()}
        process = self.start([sys.executable, str(EXAMPLE / "worker.py"), "--join", self.addresses["health"]])

        def joined():
            if process.poll() is not None:
                raise AssertionError(f"the worker ended with {process.returncode}:\n{self.log()}")
            return [worker.info for worker in self.workers() if worker.info.worker_id not in before]

        (info,) = eventually("registered worker", joined)
        self.processes[info.worker_id] = process
        return info

    def channel(self, address):
        """A member's way to an address."""
        channel = self.started.enter_context(grpc.insecure_channel(address))
        return grpc.intercept_channel(channel, Carries())

    def stub(self, info):
        """Calls a worker as an orchestrator does."""
        return worker_pb2_grpc.WorkerServiceStub(self.channel(info.address))

    def workers(self):
        return self.health.Get(health_pb2.HealthServiceGetRequest()).view.workers

    def holdfast(self, *arguments, exit_code=0):
        """Runs the command line to its end; returns the objects that it writes."""
        command = [self.binary, *arguments, "--json", "--server", self.server]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == exit_code, f"{arguments[0]} ended with {done.returncode}: {done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def submit(self, **inputs):
        given = [word for name, value in inputs.items() for word in ("--input", f"{name}={value}")]
        (submitted,) = self.holdfast("submit", str(EXAMPLE / "plan.yaml"), *given)
        return submitted["task"]["task_id"]

    def posted(self, **fields):
        """The lines of the ledger that have these fields."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        rows = map(json.loads, lines)
        return [row for row in rows if all(row.get(name) == value for name, value in fields.items())]


def end(process):
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
