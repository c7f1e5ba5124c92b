"""The contract of worker.py, asked as an orchestrator asks it."""

import json
import time
import uuid

import grpc
from google.rpc import error_details_pb2, status_pb2

import attempt as attempts
from holdfast.v1 import common_pb2 as v1
from holdfast.v1 import worker_pb2, worker_pb2_grpc
from stage import eventually

KEY = "default/post_invoice/check/"


class Contract:
    def __init__(self, stage):
        self.stage, self.info = stage, stage.worker()
        self.worker = stage.stub(self.info)

    def request(self, tool="post_invoice", call="invoice", attempt=1, epoch=5, task=None, begin_within=5, **args):
        task = task or f"task_{uuid.uuid4().hex}"
        request = worker_pb2.ExecuteRequest(
            worker_id=self.info.worker_id, call={"task_id": task, "call": call}, attempt=attempt, epoch=epoch,
            namespace="default", tool=tool, args={"json": json.dumps(args)}, key=KEY + task,
        )
        request.timeout.FromSeconds(20)
        request.not_after.FromMilliseconds(int((time.time() + begin_within) * 1000))
        return request

    def invoice(self, **more):
        return self.request(customer="ada", cents=100, **more)

    def about(self, message, request, epoch):
        return message(worker_id=self.info.worker_id, call=request.call, epoch=epoch)

    def fence(self, request, epoch):
        return self.worker.Fence(self.about(worker_pb2.FenceRequest, request, epoch)).WhichOneof("answer")

    def run(self, request):
        """The events of a call, and its outcome."""
        events = list(self.worker.Execute(request))
        assert events[0].HasField("heartbeat") and events[-1].HasField("finished"), events
        return events, events[-1].finished

    def refused(self, call, *arguments):
        """The reason and the outcome of a refusal."""
        try:
            answer = call(*arguments)
            list(answer) if hasattr(answer, "__iter__") else answer
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata())["grpc-status-details-bin"]
            info = error_details_pb2.ErrorInfo()
            status_pb2.Status.FromString(details).details[0].Unpack(info)
            return error.code().name, info.reason, info.metadata["outcome"]
        raise AssertionError("not refused")

    def says_who_it_is(self):
        answer = self.worker.Describe(worker_pb2.DescribeRequest())
        assert answer.worker.worker_id == self.info.worker_id and not answer.draining, answer
        assert {tool.name for tool in answer.worker.tools} == {"word_count", "post_invoice", "render_report"}
        self.worker.Check(worker_pb2.CheckRequest(worker_id=self.info.worker_id))

    def lets_nobody_in_without_the_clusters_token(self):
        with grpc.insecure_channel(self.info.address) as channel:
            stranger = worker_pb2_grpc.WorkerServiceStub(channel)
            for metadata in ([], [("authorization", "Bearer callers")]):
                for call in (lambda: stranger.Describe(worker_pb2.DescribeRequest(), metadata=metadata),
                             lambda: list(stranger.Execute(self.invoice(), metadata=metadata))):
                    try:
                        call()
                        raise AssertionError("let in")
                    except grpc.RpcError as refused:
                        assert refused.code() == grpc.StatusCode.UNAUTHENTICATED, refused

    def runs_a_call_with_heartbeats(self):
        events, outcome = self.run(self.request("render_report", pages=4, page_ms=50))
        assert json.loads(outcome.success.result.json) == {"pages": 4}
        told = [event.heartbeat.progress.percent for event in events[:-1] if event.heartbeat.HasField("progress")]
        assert told and told == sorted(told), told

    def a_second_execute_attaches_and_nothing_happens_twice(self):
        request = self.invoice(linger_ms=200)
        streams = [self.worker.Execute(request) for _ in range(3)]
        outcomes = [list(stream)[-1].finished for stream in streams] + [self.run(request)[1]]
        assert all(outcome == outcomes[0] and outcome.HasField("success") for outcome in outcomes), outcomes
        assert len(self.stage.posted(key=request.key)) == 1

    def another_driver_attaches_and_the_earlier_one_is_stale(self):
        request = self.invoice(linger_ms=1000)
        stream = self.worker.Execute(request)
        next(stream)
        eventually("posted invoice", lambda: self.stage.posted(key=request.key))
        stream.cancel()
        assert self.fence(request, 6) == "running"
        assert self.refused(self.worker.Execute, request) == ("ABORTED", "STALE_EPOCH", "NOT_EXECUTED")
        request.epoch = 6
        assert self.run(request)[1].HasField("success")
        assert len(self.stage.posted(key=request.key)) == 1

    def refusals_prove_that_nothing_happened(self):
        other = self.invoice()
        other.worker_id = "worker_" + uuid.uuid4().hex
        for request, expected in [
            (other, ("FAILED_PRECONDITION", "WRONG_INCARNATION")),
            (self.invoice(begin_within=-1), ("FAILED_PRECONDITION", "TOO_LATE")),
            (self.request("send_money"), ("NOT_FOUND", "TOOL_GONE")),
            (self.request(customer="ada", colour="red"), ("INVALID_ARGUMENT", "BAD_ARGUMENTS")),
        ]:
            assert self.refused(self.worker.Execute, request) == (*expected, "NOT_EXECUTED"), expected
            assert not self.stage.posted(key=request.key)

    def a_fence_tells_what_became_of_a_call(self):
        unseen, done, running = self.invoice(), self.invoice(), self.invoice(linger_ms=400)
        assert self.fence(unseen, 6) == "never_seen"
        assert self.refused(self.worker.Execute, unseen)[1] == "STALE_EPOCH"
        self.run(done)
        assert self.fence(done, 6) == "finished"
        stream = self.worker.Execute(running)
        eventually("posted invoice", lambda: self.stage.posted(key=running.key))
        assert self.fence(running, 6) == "running"
        assert list(stream)[-1].finished.HasField("success")
        failing = self.request(customer="ada", cents=0)
        failure = self.run(failing)[1].failure
        assert (failure.reason, failure.outcome) == ("TOOL_ERROR", v1.EFFECT_NOT_EXECUTED), failure
        assert not self.stage.posted(key=failing.key) and not self.stage.posted(key=unseen.key)

    def a_cancel_stops_the_work(self):
        reads, posts = self.request("render_report", pages=1000), self.invoice(linger_ms=60_000)
        for request, outcome in [(reads, v1.EFFECT_NOT_EXECUTED), (posts, v1.EFFECT_UNKNOWN)]:
            stream = self.worker.Execute(request)
            posted = lambda: self.stage.posted(key=request.key)
            eventually("start", lambda: next(stream).heartbeat.HasField("progress") or posted())
            self.worker.Cancel(self.about(worker_pb2.CancelRequest, request, 5))
            failure = list(stream)[-1].finished.failure
            assert (failure.reason, failure.outcome) == ("CANCELLED_BY_CALLER", outcome), failure
        assert self.fence(posts, 6) == "interrupted"
        used = lambda: self.worker.Describe(worker_pb2.DescribeRequest()).slots_used
        eventually("free slot", lambda: used() == 0)

    def an_acknowledged_result_is_let_go(self):
        request = self.invoice()
        self.run(request)
        recorded = worker_pb2.AckRequest.Recorded(call=request.call, attempt=1, epoch=5)
        self.worker.Ack(worker_pb2.AckRequest(worker_id=self.info.worker_id, recorded=[recorded]))
        assert self.refused(self.worker.Execute, request)[1:] == ("TOO_LATE", "UNKNOWN")
        assert self.fence(request, 6) == "interrupted"
        assert len(self.stage.posted(key=request.key)) == 1

    def the_probe_knows_what_was_posted(self):
        request = self.invoice()
        probe = worker_pb2.ReconcileRequest(
            worker_id=self.info.worker_id, tool="post_invoice", key=request.key, args=request.args)
        assert self.worker.Reconcile(probe).HasField("not_done")
        _, outcome = self.run(request)
        assert self.worker.Reconcile(probe).done.result == outcome.success.result

    def the_gate_is_closed_after_a_stop_and_after_not_after(self):
        for begin_within, stop in [(-1, False), (5, True)]:
            late = attempts.Attempt(self.invoice(begin_within=begin_within), v1.SIDE_EFFECT_VERIFIABLE, "worker")
            if stop:
                late.stop("FENCED", v1.Failure.CLASS_CANCELLED)
            happened = []
            late.run(lambda call: happened.append("the effect"), {})
            assert late.outcome.failure.outcome == v1.EFFECT_NOT_EXECUTED and not happened, late.outcome
