"""One attempt of a call, as its tool is given it: its gate before the effect, its signs of life, and its one end."""

import json
import logging
import threading
import time

from holdfast.v1 import common_pb2 as v1
from holdfast.v1 import worker_pb2

NOT_EXECUTED, UNKNOWN, EXECUTED = v1.EFFECT_NOT_EXECUTED, v1.EFFECT_UNKNOWN, v1.EFFECT_EXECUTED
REATTACH_GRACE, KEEP = 15, 300  # seconds: without a driver, and of a result that nobody fetched
READ_ONLY = v1.SIDE_EFFECT_READ_ONLY
REPEATABLE = (v1.SIDE_EFFECT_READ_ONLY, v1.SIDE_EFFECT_IDEMPOTENT)
# Guards all attempts; notified whenever one of them changes. Held for a look, never while a tool works.
LOCK = threading.Condition()


class ToolError(Exception):
    """What only another request can mend. Before the gate it proves that nothing happened, behind it it does not."""


class Stopped(Exception):
    """The attempt is over: its tool lets go."""


class Attempt:
    def __init__(self, request, side_effect, worker_id):
        self.request, self.key, self.worker_id = request, request.key, worker_id
        self.side_effect = side_effect
        self.begun = False  # the gate was passed: the effect may have happened
        self.stopped = None  # reason and class, once it was told to stop
        self.outcome, self.ended = None, None
        self.told = None  # the tool's last word on how far it is
        self.arrived = self.left_at = time.monotonic()
        self.drivers = 0

    def before_effect(self):
        """The gate, right before the effect: nothing begins after a stop, a fence, or the attempt's `not_after`."""
        with LOCK:
            if not self.begun and time.time() > seconds(self.request.not_after):
                self.stop("TOO_LATE", v1.Failure.CLASS_TRANSIENT)
            if self.stopped:
                raise Stopped
            self.begun = True

    def pause(self, seconds):
        """Sleeps, and raises once it is stopped: a thread can't be killed, so a long tool asks now and then."""
        with LOCK:
            if LOCK.wait_for(lambda: self.stopped, seconds):
                raise Stopped

    def progress(self, percent, note=""):
        """Says how far the tool is: it goes out with the next heartbeat, at once."""
        with LOCK:
            self.told = worker_pb2.CallProgress(percent=percent, note=note)
            LOCK.notify_all()

    def stop(self, reason, who):
        """Tells the tool to stop. Where nothing can have happened that is the end, whatever the tool still does."""
        with LOCK:
            self.stopped = self.stopped or (reason, who)
            if not self.begun or self.side_effect == READ_ONLY:
                self.fail(*self.stopped, "stopped")
            LOCK.notify_all()

    def run(self, tool, args):
        """Runs the tool to its one outcome."""
        try:
            if not getattr(tool, "has_gate", False):
                self.before_effect()
            result = json.dumps(tool(self, **args))
            self.finish(v1.CallOutcome(success=v1.Success(result=v1.Payload(json=result))))
        except Stopped:
            self.fail(*self.stopped, "the tool was stopped")
        except ToolError as error:
            self.fail("TOOL_ERROR", v1.Failure.CLASS_SEMANTIC, str(error))
        except Exception as error:
            logging.exception("%s is broken", self.request.tool)
            self.fail("TOOL_PANICKED", v1.Failure.CLASS_CRASHED, type(error).__name__)

    def fail(self, reason, who, message):
        """Judges by the gate: before it nothing happened, behind it nobody knows: a probe or a person has to say."""
        effect = UNKNOWN if self.begun and self.side_effect != READ_ONLY else NOT_EXECUTED
        if effect == UNKNOWN and self.side_effect not in REPEATABLE:
            who = v1.Failure.CLASS_AMBIGUOUS
        failure = v1.Failure(reason=reason, message=message, outcome=effect, source=v1.Failure.SOURCE_TOOL)
        setattr(failure, "class", who)
        failure.attempts = self.request.attempt
        self.finish(v1.CallOutcome(failure=failure))

    def finish(self, outcome):
        with LOCK:
            if self.outcome is None:  # the first end stands
                self.outcome, self.ended = outcome, time.time()
            LOCK.notify_all()

    def effect(self):
        """What is known to have happened; only of one that has ended."""
        return EXECUTED if self.outcome.HasField("success") else self.outcome.failure.outcome


class Row:
    """What a worker remembers of a call: the highest epoch it was shown, its latest attempt or what is left of it."""

    def __init__(self, epoch, until):
        self.epoch, self.driver, self.until, self.attempt = epoch, 0, until, None
        self.settled, self.effect, self.acked = 0, NOT_EXECUTED, True  # of an attempt whose outcome was let go

    def let_go(self, acked):
        self.settled, self.effect, self.acked = self.attempt.request.attempt, self.attempt.effect(), acked
        self.attempt = None


def watch_the_clock(rows):
    """Stops what takes too long or was left alone, and lets go of results that nobody fetched in time."""
    while True:
        time.sleep(0.2)
        with LOCK:
            for name, row in list(rows.items()):
                attempt, now = row.attempt, time.monotonic()
                if attempt is None:
                    # A result that was let go unrecorded is remembered for good: "never seen" would be a lie.
                    if row.acked and time.time() > row.until + KEEP:
                        del rows[name]
                elif attempt.outcome:
                    if time.time() > max(attempt.ended, row.until) + KEEP:
                        row.let_go(acked=False)
                elif now > attempt.arrived + seconds(attempt.request.timeout):
                    attempt.stop("ATTEMPT_TIMEOUT", v1.Failure.CLASS_TRANSIENT)
                elif not attempt.drivers and now > attempt.left_at + REATTACH_GRACE:
                    attempt.stop("CONNECTION_LOST", v1.Failure.CLASS_TRANSIENT)


def seconds(time_or_duration):
    return time_or_duration.ToNanoseconds() / 1e9
