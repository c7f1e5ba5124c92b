"""plan.yaml on a real platform, whose only tools are those of worker.py."""

import json

from holdfast.v1 import worker_pb2
from stage import EXAMPLE, eventually


class Plan:
    def __init__(self, stage):
        self.stage = stage
        self.victim, self.dead = None, None

    def is_sound(self):
        (verdict,) = self.stage.holdfast("validate", str(EXAMPLE / "plan.yaml"))
        assert verdict["valid"] and verdict["steps"] == 3, verdict

    def ends_with_its_result(self):
        task = self.stage.submit(customer="grace", text="one two three", pages=3)
        assert self.outcome(task) == {"words": 3, "cents": 450, "pages": 3}
        assert [row["cents"] for row in self.stage.posted(customer="grace")] == [450]

    def cancel_reaches_the_worker(self):
        task = self.stage.submit(pages=10_000)
        subtasks = lambda: self.stage.holdfast("get", task, "--subtasks")[0].get("subtasks", [])
        eventually("long step", lambda: any(subtask["call"] == "report" for subtask in subtasks()))
        self.stage.holdfast("cancel", task)
        ended = self.end_of(task, exit_code=7)
        assert ended["outcome"] == "TASK_OUTCOME_CANCELLED", ended
        (worker,) = [worker.info for worker in self.stage.workers() if worker.info.worker_id in self.stage.processes]
        describe = self.stage.stub(worker).Describe
        eventually("free slot", lambda: describe(worker_pb2.DescribeRequest()).slots_used == 0)
        assert not self.stage.posted(customer="ada@example.com")

    def a_worker_is_killed_behind_the_effect(self):
        """How the task goes on is for `the_effect_happened_once` to see, when the attempt has closed."""
        self.stage.worker()
        self.victim = self.stage.submit(customer="lost", text="a b", pages=1, linger_ms=60_000)
        (row,) = eventually("posted invoice", lambda: self.stage.posted(customer="lost"))
        self.dead = row["worker"]
        self.stage.processes[self.dead].kill()

    def the_effect_happened_once(self):
        assert self.outcome(self.victim)["cents"] == 300
        (row,) = self.stage.posted(customer="lost")
        assert row["worker"] == self.dead
        kinds = [event["kind"] for event in self.stage.holdfast("history", self.victim)]
        assert "probed" in kinds and kinds.count("attempt_started") == 3, kinds

    def a_call_outlives_its_platform(self):
        """The worker goes on without a driver; the next one is handed its running call or its result."""
        task = self.stage.submit(customer="orphan", text="a", pages=1, linger_ms=2_000)
        eventually("posted invoice", lambda: self.stage.posted(customer="orphan"))
        self.stage.platform.kill()
        self.stage.platform.wait()
        self.stage.start_platform()
        assert self.outcome(task)["cents"] == 150
        assert len(self.stage.posted(customer="orphan")) == 1
        kinds = [event["kind"] for event in self.stage.holdfast("history", task)]
        assert "probed" not in kinds and kinds.count("attempt_started") == 3, kinds

    def end_of(self, task, exit_code=0):
        return self.stage.holdfast("watch", task, exit_code=exit_code)[-1]

    def outcome(self, task):
        ended = self.end_of(task)
        assert ended["outcome"] == "TASK_OUTCOME_SUCCEEDED", ended
        return json.loads(ended["output"]["json"])
