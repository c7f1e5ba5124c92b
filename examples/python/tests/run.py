"""Checks the example against a real platform: `run.py PATH-OF-HOLDFAST`. A line for each check, and a closing line."""

import os
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]
# Of the platform, of its workers and of whoever calls them: everything here goes through the gates.
os.environ |= {"HOLDFAST_AUTH__API_TOKEN": "callers", "HOLDFAST_AUTH__CLUSTER_TOKEN": "members"}

from check_once import Once
from check_plan import Plan
from check_worker import Contract
from stage import Stage

WHOLE_RUN = 120  # seconds, after which it is broken


def checks(stage):
    worker = Contract(stage)
    yield worker.says_who_it_is
    yield worker.lets_nobody_in_without_the_clusters_token
    yield worker.runs_a_call_with_heartbeats
    yield worker.a_second_execute_attaches_and_nothing_happens_twice
    yield worker.another_driver_attaches_and_the_earlier_one_is_stale
    yield worker.refusals_prove_that_nothing_happened
    yield worker.a_fence_tells_what_became_of_a_call
    yield worker.a_cancel_stops_the_work
    yield worker.an_acknowledged_result_is_let_go
    yield worker.the_probe_knows_what_was_posted
    yield worker.the_gate_is_closed_after_a_stop_and_after_not_after
    plan = Plan(stage)
    yield plan.is_sound
    yield plan.ends_with_its_result
    yield plan.cancel_reaches_the_worker
    yield plan.a_worker_is_killed_behind_the_effect
    # While the dead worker's attempt closes, which is a matter of seconds:
    once = Once(stage)
    yield once.two_threads_are_one_execution_and_one_result
    yield once.two_processes_are_one_execution_and_one_result
    yield once.other_arguments_are_a_mismatch
    yield once.what_did_not_happen_may_be_tried_again
    yield once.what_must_never_be_tried_again_is_not
    yield once.a_long_holder_keeps_its_key_and_patience_ends
    yield once.a_lost_answer_does_not_lose_the_right
    yield once.a_killed_holder_leaves_the_key_in_doubt
    yield once.a_doubt_that_is_settled_answers_with_the_result
    yield once.a_doubt_that_never_happened_runs_again
    yield plan.the_effect_happened_once
    yield plan.a_call_outlives_its_platform


def main():
    (binary,) = sys.argv[1:]
    # Both become an exception, so that everything that was started is stopped.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, lambda number, _: sys.exit(f"stopped by {signal.Signals(number).name}"))
    signal.alarm(WHOLE_RUN)
    passed = failed = 0
    stage = Stage(binary)
    try:
        for check in checks(stage):
            name, began = check.__qualname__.replace("_", " ").replace(".", ": "), time.monotonic()
            try:
                check()
                passed += 1
                print(f"  ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        if failed:
            print(stage.log())
    finally:
        stage.close()
    print(f"checks: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
