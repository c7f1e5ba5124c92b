"""`@once(key=...)`: a function that happens once for each key, whoever calls it, from whatever process.

    @once(key=lambda order, cents: f"shop/charge/{order}")
    def charge(order, cents):
        return {"charge": bank.charge(order, cents)}

    charge("order-7", 4200)    # charges
    charge("order-7", 4200)    # anywhere, any time in the next 7 days: returns the recorded result
    charge("order-7", 9900)    # raises Mismatch: the same key never means two things

Arguments and results are JSON. What a function raises says what becomes of its key:

- NotDone: it provably did nothing. The key is free again.
- NeverDo: it provably did nothing, and must not be tried again. Later calls raise FailedForGood.
- anything else: nobody knows. The key is in doubt, as after a crash, and later calls raise InDoubt.

Where the service is not reached grpc's own error is raised: before the function runs, or, if only its result could not
be recorded, after it, and the key ends in doubt.
"""

import functools
import hashlib
import inspect
import json
import logging
import os
import socket
import threading
import time
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration

from holdfast.v1 import common_pb2 as v1
from holdfast.v1 import idempotency_pb2 as pb
from holdfast.v1.idempotency_pb2_grpc import IdempotencyServiceStub

ADDRESS = os.environ.get("HOLDFAST_JOIN__IDEMPOTENCY", "127.0.0.1:7422")
# What the published port asks for; empty: nothing.
TOKEN = os.environ.get("HOLDFAST_AUTH__API_TOKEN", "")
CREDENTIALS = [("authorization", f"Bearer {TOKEN}")] if TOKEN else []
ANSWER_WITHIN = 5  # seconds, beside what an answer is asked to wait
TRIES = 4


class NotDone(Exception):
    """Raise it (or a subclass) where nothing happened for sure: a refused connection, a failed check before the act."""


class NeverDo(NotDone):
    """Raise it where nothing happened for sure, and trying again would be wrong: the card is stolen."""


class FailedForGood(Exception):
    """An earlier call of this key ended with NeverDo; its message is this one's."""


class Mismatch(Exception):
    """The key was used before with other arguments."""


class StillRunning(TimeoutError):
    """Another caller holds the key and has not ended within `patience`. Call again to go on waiting."""


class InDoubt(Exception):
    """A caller began and never said how it ended: it may have happened. Nothing runs until somebody finds out."""

    def __init__(self, name, doubt):
        since = doubt.since.ToDatetime().isoformat(timespec="seconds")
        super().__init__(
            f"{doubt.holder.foreign} began {name} at {since}Z and never said how it ended. Look whether it happened, "
            f"then call {name}.it_happened(result, ...) or {name}.it_did_not(reason, ...) with the same arguments."
        )
        self.holder, self.attempts = doubt.holder.foreign, doubt.attempts


def once(key, lease=10.0, patience=60.0, address=ADDRESS):
    """Makes a function happen once for each key. `key` is given the function's arguments and makes the key.

    `lease`: seconds after which a holder that died counts as dead; a living one renews it as long as it runs.
    `patience`: seconds to wait for another caller that runs now.
    """

    def decorate(function):
        service = Service(address)
        parameters = inspect.signature(function)

        def operation(args, kwargs):
            bound = parameters.bind(*args, **kwargs)
            bound.apply_defaults()
            return Operation(service, key(*args, **kwargs), bound.arguments, function.__qualname__, lease)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            return operation(args, kwargs).run(lambda: function(*args, **kwargs), patience)

        # For whoever has settled a doubt, with the arguments of the call.
        wrapped.it_happened = lambda result, *args, **kwargs: operation(args, kwargs).it_happened(result)
        wrapped.it_did_not = lambda reason, *args, **kwargs: operation(args, kwargs).it_did_not(reason)
        return wrapped

    return decorate


class Service:
    """IdempotencyService. Every verb may be repeated, so what was not answered is asked again."""

    def __init__(self, address):
        self.address, self.stub, self.lock = address, None, threading.Lock()

    def ask(self, verb, request, wait=0.0):
        with self.lock:  # made at the first call, so that a process may fork before it
            self.stub = self.stub or IdempotencyServiceStub(grpc.insecure_channel(self.address))
        for left in reversed(range(TRIES)):
            try:
                return getattr(self.stub, verb)(request, timeout=wait + ANSWER_WITHIN, metadata=CREDENTIALS)
            except grpc.RpcError as error:
                if left == 0 or error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                time.sleep(0.1)


class Operation:
    """One call of a function under its key."""

    def __init__(self, service, key, arguments, name, lease):
        self.service, self.key, self.name, self.lease = service, key, name, lease
        canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
        self.fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
        # New for each call: two callers are never taken for one.
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"

    def run(self, function, patience):
        kind, answer = self.begin(patience)
        match kind:
            case "acquired":
                return self.hold(answer.token, function)
            case "completed":
                return json.loads(answer.result.json)
            case "in_doubt":
                raise InDoubt(self.name, answer)
            case "failed_final":
                raise FailedForGood(answer.failure.message)
            case "mismatch":
                raise Mismatch(f"this key of {self.name} was used before with other arguments")
            case "in_progress":
                raise StillRunning(f"{answer.holder.foreign} runs {self.name} and has not ended in {patience:g} s")
        raise RuntimeError(f"{self.name}: unexpected answer {kind}")

    def begin(self, patience=0.0, resolve=pb.BeginRequest.RESOLVE_NONE):
        """Asks for the right to run; waits for who has it. Returns the answer's kind, and the answer."""
        until = time.monotonic() + patience
        while True:
            wait = min(max(until - time.monotonic(), 0), 30)
            request = pb.BeginRequest(
                key=self.key, fingerprint=self.fingerprint, holder=pb.Holder(foreign=self.holder),
                lease=duration(self.lease), wait=duration(wait), resolve=resolve,
            )
            answer = self.service.ask("Begin", request, wait).answer
            kind = answer.WhichOneof("answer")
            if kind == "in_progress" and answer.in_progress.holder.foreign == self.holder:
                # An earlier request got the right, and its answer was lost.
                row = self.service.ask("Get", pb.IdempotencyServiceGetRequest(key=self.key)).row
                return "acquired", pb.BeginAnswer.Acquired(token=row.token)
            if kind != "in_progress" or time.monotonic() >= until:
                return kind, getattr(answer, kind)

    def hold(self, token, function):
        """Runs the function under the right that `token` proves, and says how it ended."""
        ended = threading.Event()
        renewing = threading.Thread(target=self.renew, args=(token, ended), daemon=True)
        renewing.start()
        try:
            result = function()
        except NotDone as failure:
            self.not_done(token, failure)
            raise
        finally:
            ended.set()
            renewing.join()
        self.complete(token, result)
        return result

    def renew(self, token, ended):
        while not ended.wait(self.lease / 3):
            try:
                self.service.ask("Extend", pb.ExtendRequest(key=self.key, token=token, lease=duration(self.lease)))
            except grpc.RpcError as error:  # it may work next time; if the lease ends, the result is kept as evidence
                logging.warning("the lease of %s was not renewed: %s", self.name, error.details())

    def complete(self, token, result):
        payload = v1.Payload(json=json.dumps(result))
        answer = self.service.ask("Complete", pb.CompleteRequest(key=self.key, token=token, result=payload))
        if answer.recorded == pb.CompleteResponse.RECORDED_EVIDENCE:
            logging.warning("%s lost its lease: its result is evidence only, somebody else may have the key", self.name)

    def not_done(self, token, failure):
        if not isinstance(failure, NeverDo):
            self.service.ask("Release", pb.ReleaseRequest(key=self.key, token=token))
            return
        final = v1.Failure(outcome=v1.EFFECT_NOT_EXECUTED, reason="REFUSED", message=str(failure) or self.name,
                           source=v1.Failure.SOURCE_TOOL, **{"class": v1.Failure.CLASS_PERMANENT})
        self.service.ask("FailFinal", pb.FailFinalRequest(key=self.key, token=token, failure=final))

    def it_happened(self, result):
        """Settles a doubt: from now on the key answers with this result."""
        kind, answer = self.begin(resolve=pb.BeginRequest.RESOLVE_VERIFY)
        if kind != "in_doubt":
            raise ValueError(f"{self.name} is not in doubt: {kind}")
        self.complete(answer.token, result)

    def it_did_not(self, reason):
        """Settles a doubt: the key is free again."""
        kind, answer = self.begin(resolve=pb.BeginRequest.RESOLVE_NONE)
        if kind == "acquired":  # it was free already
            self.service.ask("Release", pb.ReleaseRequest(key=self.key, token=answer.token))
        elif kind == "in_doubt":
            self.service.ask("Forget", pb.ForgetRequest(key=self.key, reason=reason))
        else:
            raise ValueError(f"{self.name} is not in doubt: {kind}")


def duration(seconds):
    whole = Duration()
    whole.FromMilliseconds(int(seconds * 1000))
    return whole
