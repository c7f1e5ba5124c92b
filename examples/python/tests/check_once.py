"""`@once` over the real IdempotencyService, at the published port: threads, processes, failures, a holder that is killed."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import charge as charging
from once import FailedForGood, InDoubt, Mismatch, NeverDo, NotDone, Operation, Service, StillRunning, once
from stage import eventually


class Once:
    def __init__(self, stage):
        self.stage, self.address = stage, stage.addresses["orchestrator"]
        os.environ["LEDGER"] = str(stage.ledger)
        self.charge = charging.charges(self.address)

    def process(self, order, how="work"):
        command = [sys.executable, str(Path(charging.__file__)), self.address, order, "100", how]
        return self.stage.start(command, stdout=subprocess.PIPE)

    def made(self, order, does, **settings):
        """A function under the order's key that does something else."""
        settings = {"lease": charging.LEASE, "address": self.address} | settings
        return once(key=lambda: f"shop/other/{order}", **settings)(does)

    def two_threads_are_one_execution_and_one_result(self):
        with ThreadPoolExecutor(2) as threads:
            results = list(threads.map(lambda _: self.charge("threads", 100), range(2)))
        assert results[0] == results[1] and results[0]["order"] == "threads", results
        assert len(self.stage.posted(key="threads")) == 1

    def two_processes_are_one_execution_and_one_result(self):
        both = [self.process("processes") for _ in range(2)]
        results = [json.loads(process.communicate(timeout=20)[0]) for process in both]
        (row,) = self.stage.posted(key="processes")
        assert results[0] == results[1] == {"order": "processes", "pid": row["pid"]}, results
        assert self.charge("processes", 100) == results[0]

    def other_arguments_are_a_mismatch(self):
        self.charge("mismatch", 100)
        raises(Mismatch, self.charge, "mismatch", 101)
        assert len(self.stage.posted(key="mismatch")) == 1

    def what_did_not_happen_may_be_tried_again(self):
        ends = iter([NotDone("connection refused"), {"charge": 1}])

        def flaky():
            end = next(ends)
            if isinstance(end, Exception):
                raise end
            return end

        charge = self.made("again", flaky)
        raises(NotDone, charge)
        assert charge() == {"charge": 1} and charge() == {"charge": 1}

    def what_must_never_be_tried_again_is_not(self):
        def stolen():
            raise NeverDo("the card is stolen")

        charge = self.made("never", stolen)
        raises(NeverDo, charge)
        assert "stolen" in str(raises(FailedForGood, charge))

    def a_long_holder_keeps_its_key_and_patience_ends(self):
        runs, running = [], threading.Event()

        def long():
            runs.append("once")
            running.set()
            time.sleep(2.5 * charging.LEASE)
            return "done"

        with ThreadPoolExecutor(1) as threads:
            holder = threads.submit(self.made("long", long))
            assert running.wait(20)
            raises(StillRunning, self.made("long", long, patience=0))
            assert self.made("long", long, patience=20)() == holder.result() == "done"
        assert runs == ["once"]

    def a_lost_answer_does_not_lose_the_right(self):
        lost = Operation(Service(self.address), "shop/other/lost", {}, "lost", charging.LEASE)
        first, again = lost.begin(), lost.begin(patience=5)
        assert first[0] == again[0] == "acquired" and first[1].token == again[1].token, (first, again)

    def a_killed_holder_leaves_the_key_in_doubt(self):
        holder = self.process("killed", "hang")
        eventually("charge", lambda: self.stage.posted(key="killed"))
        holder.kill()
        doubt = raises(InDoubt, self.charge, "killed", 100)
        assert doubt.attempts == 1 and f":{holder.pid}:" in doubt.holder and "it_happened" in str(doubt), doubt
        assert len(self.stage.posted(key="killed")) == 1

    def a_doubt_that_is_settled_answers_with_the_result(self):
        self.charge.it_happened({"order": "killed", "by": "the bank's list"}, "killed", 100)
        assert self.charge("killed", 100)["by"] == "the bank's list"
        assert len(self.stage.posted(key="killed")) == 1

    def a_doubt_that_never_happened_runs_again(self):
        happened = []

        def broken():
            happened.append("so far")
            raise OSError("connection reset")

        charge = self.made("reset", broken)
        raises(OSError, charge)
        raises(InDoubt, charge)
        assert len(happened) == 1
        charge.it_did_not("the bank has no such charge")
        raises(OSError, charge)
        assert len(happened) == 2


def raises(kind, function, *args):
    try:
        result = function(*args)
    except kind as error:
        return error
    raise AssertionError(f"{result!r} where {kind.__name__} was expected")
