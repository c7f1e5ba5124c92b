//! The rules of one call on one worker (PROTOCOL 1 and 12), under virtual time.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Rig, call_ref, end, failure, recorded};
use async_trait::async_trait;
use futures::StreamExt;
use holdfast_tool::{Answer, CallContext, Tool, ToolFailure, manifest};
use holdfast_types::worker::{CallOutcome, Execute, ExecuteEvent, FenceAnswer, ProbeAnswer};
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect, ToolManifest};
use holdfast_worker::{Adopt, Cancelled, Config};
use serde_json::{Value, json};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn refused(rig: &Rig, execute: Execute) -> Failure {
    rig.tools().execute(execute).await.err().expect("a refusal")
}

#[tokio::test(start_paused = true)]
async fn a_call_runs_once_however_often_it_is_sent() {
    let rig = Rig::new();
    let request = rig.request("fire", "charge", json!({"after_ms": 1000}));
    let first = rig.start(request.clone()).await;
    let second = rig.start(request.clone()).await;
    let (one, two) = tokio::join!(end(first), end(second));
    assert_eq!(one.clone().unwrap(), two.unwrap());
    let third = rig.run(request.clone()).await;
    assert_eq!(third, one, "an ended call answers with its result");
    let later = rig.run(Execute { epoch: 9, attempt: 3, ..request }).await;
    assert_eq!(later, one, "a success stands for every later attempt, until it is acknowledged");
    assert_eq!(rig.world.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_must_not_begin_are_refused_with_proof() {
    let rig = Rig::new();
    let other = Rig::new();
    let good = rig.request("fire", "a", json!({}));
    let cases = [
        (Execute { worker: other.worker.id(), ..good.clone() }, Reason::WrongIncarnation),
        (Execute { not_after: holdfast_types::Timestamp::from_micros(1), ..good.clone() }, Reason::TooLate),
        (Execute { tool: "no_such".parse().unwrap(), ..good.clone() }, Reason::ToolGone),
    ];
    for (request, reason) in cases {
        let failure = refused(&rig, request).await;
        assert_eq!((failure.reason, failure.effect), (reason, Effect::NotExecuted));
    }
    rig.run(Execute { epoch: 6, ..good.clone() }).await.unwrap();
    let stale = refused(&rig, good).await;
    assert_eq!((stale.reason, stale.effect), (Reason::StaleEpoch, Effect::NotExecuted));
    assert_eq!(rig.world.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_after_is_checked_again_right_before_the_effect() {
    let rig = Rig::new();
    let mut request = rig.request("fire", "a", json!({"prepare_ms": 30_000}));
    request.not_after = holdfast_runtime::Clock::now(&*rig.clock).after(seconds(10));
    let late = failure(rig.run(request).await);
    assert_eq!((late.reason, late.effect), (Reason::TooLate, Effect::NotExecuted));
    assert_eq!((rig.world.started(), rig.world.effects()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn bad_arguments_never_reach_the_tool() {
    let rig = Rig::new();
    let bad = failure(rig.run(rig.request("fire", "a", json!({"prepare_ms": -1, "x": 1}))).await);
    assert_eq!(
        (bad.class, bad.reason, bad.effect),
        (Class::Semantic, Reason::BadArguments, Effect::NotExecuted)
    );
    assert!(bad.message.contains("prepare_ms") && bad.message.contains("args"), "{}", bad.message);
    assert_eq!(rig.world.started(), 0);
}

#[tokio::test(start_paused = true)]
async fn slots_and_queue_are_bounded_and_a_queued_call_waits_its_turn() {
    let rig = Rig::with(Config { slots: 1, queue: 1, ..Config::default() }, |_| {});
    let running = rig.start(rig.request("fire", "a", json!({"after_ms": 5000}))).await;
    let queued = rig.start(rig.request("fire", "b", json!({}))).await;
    assert_eq!(rig.world.started(), 1);
    let full = refused(&rig, rig.request("fire", "c", json!({}))).await;
    assert_eq!((full.reason, full.effect), (Reason::NoCapacity, Effect::NotExecuted));
    assert!(full.retry_after.is_some());
    rig.tools().check(rig.worker.id()).await.expect("a busy worker is alive");
    end(running).await.unwrap();
    end(queued).await.unwrap();
    rig.run(rig.request("fire", "c", json!({}))).await.expect("a place is free again");
}

#[tokio::test(start_paused = true)]
async fn a_queued_call_is_fenced_before_its_effect() {
    let rig = Rig::with(Config { slots: 1, ..Config::default() }, |_| {});
    let running = rig.start(rig.request("blunt", "a", json!({"after_ms": 5000}))).await;
    let queued = rig.start(rig.request("blunt", "b", json!({}))).await;
    let answer = rig.tools().fence(rig.worker.id(), call_ref("b"), 6).await.unwrap();
    assert_eq!(answer, FenceAnswer::StoppedBeforeEffect);
    assert_eq!(failure(end(queued).await).reason, Reason::Fenced);
    end(running).await.unwrap();
    assert_eq!(rig.world.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_five_answers_of_a_fence() {
    let rig = Rig::new();
    let tools = rig.tools();
    let me = rig.worker.id();

    let unseen = rig.request("fire", "unseen", json!({}));
    assert_eq!(tools.fence(me, call_ref("unseen"), 6).await.unwrap(), FenceAnswer::NeverSeen);
    assert_eq!(
        refused(&rig, unseen.clone()).await.reason,
        Reason::StaleEpoch,
        "and it will refuse the attempt"
    );
    rig.run(Execute { epoch: 6, ..unseen }).await.expect("the new driver may run it");

    let early = rig.start(rig.request("fire", "early", json!({"prepare_ms": 1000}))).await;
    let answer = tools.fence(me, call_ref("early"), 6).await.unwrap();
    assert_eq!(answer, FenceAnswer::StoppedBeforeEffect);
    assert_eq!(tools.fence(me, call_ref("early"), 6).await.unwrap(), answer, "a fence may be repeated");
    let stopped = failure(end(early).await);
    assert_eq!((stopped.reason, stopped.effect), (Reason::Fenced, Effect::NotExecuted));

    let done = rig.run(rig.request("fire", "done", json!({}))).await;
    assert_eq!(tools.fence(me, call_ref("done"), 6).await.unwrap(), FenceAnswer::Finished(done));

    let before = rig.world.effects();
    let request = rig.request("fire", "running", json!({"after_ms": 5000}));
    let old = rig.start(request.clone()).await;
    assert_eq!(tools.fence(me, call_ref("running"), 6).await.unwrap(), FenceAnswer::Running);
    let adopted = rig.start(Execute { epoch: 6, ..request }).await;
    drop(old);
    assert_eq!(
        tools.fence(me, call_ref("running"), 6).await.unwrap(),
        FenceAnswer::Running,
        "it is its own now"
    );
    end(adopted).await.unwrap();
    assert_eq!(rig.world.effects(), before + 1);

    let _cut = rig.start(rig.request("fire", "cut", json!({"after_ms": 50_000}))).await;
    let cut = call_ref("cut");
    let fence = rig.worker.executor().fence_until(me, &cut, 6, None, Adopt::Nothing);
    assert_eq!(fence.await.unwrap(), FenceAnswer::Interrupted);
    assert_eq!(tools.fence(me, call_ref("cut"), 7).await.unwrap(), FenceAnswer::Interrupted);
    assert_eq!(tools.fence(me, call_ref("cut"), 6).await.unwrap_err().reason, Reason::StaleEpoch);
}

#[tokio::test(start_paused = true)]
async fn a_fence_leaves_a_read_running_and_wrong_incarnations_are_told() {
    let rig = Rig::new();
    let reading = rig.start(rig.request("read", "a", json!({"prepare_ms": 1000}))).await;
    assert_eq!(rig.tools().fence(rig.worker.id(), call_ref("a"), 6).await.unwrap(), FenceAnswer::Running);
    end(reading).await.unwrap();
    let other = Rig::new();
    let told = rig.tools().fence(other.worker.id(), call_ref("a"), 7).await.unwrap_err();
    assert_eq!(told.reason, Reason::WrongIncarnation);
    assert_eq!(told.details["worker_id"], rig.worker.id().to_string());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_before_the_effect_proves_and_one_after_it_does_not() {
    let rig = Rig::new();
    let cases = [
        ("fire", json!({"prepare_ms": 9000}), Class::Transient, Effect::NotExecuted),
        ("fire", json!({"after_ms": 9000}), Class::Ambiguous, Effect::Unknown),
        ("book", json!({"after_ms": 9000}), Class::Ambiguous, Effect::Unknown),
        ("blunt", json!({"prepare_ms": 9000}), Class::Ambiguous, Effect::Unknown),
        ("put", json!({"after_ms": 9000}), Class::Transient, Effect::Unknown),
        ("read", json!({"after_ms": 9000}), Class::Transient, Effect::NotExecuted),
    ];
    for (n, (tool, args, class, effect)) in cases.into_iter().enumerate() {
        let mut request = rig.request(tool, &format!("call{n}"), args);
        request.timeout = seconds(2);
        let began = tokio::time::Instant::now();
        let failure = failure(rig.run(request).await);
        assert!(began.elapsed() < seconds(3), "the real work is aborted");
        assert_eq!(
            (failure.reason, failure.class, failure.effect),
            (Reason::AttemptTimeout, class, effect),
            "{n}"
        );
    }
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(rig.worker.executor().load().running, 0, "aborted work gives its slot back");
}

#[tokio::test(start_paused = true)]
async fn the_class_that_a_plan_states_stands_over_the_manifests() {
    let rig = Rig::new();
    let cases = [
        ("blunt", SideEffect::ReadOnly, Class::Transient, Effect::NotExecuted, 2),
        ("fire", SideEffect::Idempotent, Class::Transient, Effect::Unknown, 2),
        ("put", SideEffect::Verifiable, Class::Ambiguous, Effect::Unknown, 1),
        ("read", SideEffect::Unsafe, Class::Ambiguous, Effect::Unknown, 1),
    ];
    for (tool, stated, class, effect, starts) in cases {
        let request = rig.request(tool, tool, json!({"after_ms": 9000}));
        let request = Execute { side_effect: Some(stated), timeout: seconds(2), ..request };
        let before = rig.world.started();
        let timed_out = failure(rig.run(request.clone()).await);
        assert_eq!((timed_out.class, timed_out.effect), (class, effect), "{tool} as {stated}");
        failure(rig.run(Execute { attempt: 2, ..request }).await);
        assert_eq!(rig.world.started() - before, starts, "{tool} as {stated}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_leaves_open_is_judged_by_how_far_it_was() {
    let rig = Rig::new();
    let cases = [
        ("fire", "transient", Class::Ambiguous, Effect::Unknown),
        ("put", "transient", Class::Transient, Effect::Unknown),
        ("read", "transient", Class::Transient, Effect::NotExecuted),
        ("fire", "semantic", Class::Ambiguous, Effect::Unknown),
        ("fire", "refused", Class::Transient, Effect::NotExecuted),
        ("fire", "panic", Class::Ambiguous, Effect::Unknown),
        ("fire", "garbage", Class::Semantic, Effect::Executed),
        ("read", "garbage", Class::Semantic, Effect::NotExecuted),
        ("read", "panic", Class::Crashed, Effect::NotExecuted),
    ];
    for (n, (tool, how, class, effect)) in cases.into_iter().enumerate() {
        let request = rig.request(tool, &format!("call{n}"), json!({"end": how}));
        let failure = failure(rig.run(request).await);
        assert_eq!((failure.class, failure.effect), (class, effect), "{tool} {how}");
    }
    rig.run(rig.request("fire", "after", json!({}))).await.expect("a panic harms no other call");
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_begins_only_where_a_repeat_is_harmless() {
    let rig = Rig::new();
    let attempt = |tool: &str, how: &str, n: u32| {
        let request = rig.request(tool, &format!("{tool}_{how}"), json!({"end": how}));
        Execute { attempt: n, ..request }
    };
    for (tool, how, starts) in
        [("fire", "refused", 2), ("put", "transient", 2), ("fire", "transient", 1), ("book", "semantic", 1)]
    {
        let before = rig.world.started();
        failure(rig.run(attempt(tool, how, 1)).await);
        failure(rig.run(attempt(tool, how, 1)).await);
        assert_eq!(rig.world.started() - before, 1, "the same attempt again only attaches");
        failure(rig.run(attempt(tool, how, 2)).await);
        assert_eq!(rig.world.started() - before, starts, "{tool} {how}");
    }
    let before = rig.world.started();
    rig.tools().ack(rig.worker.id(), recorded("book_semantic", 1, 5)).await.unwrap();
    failure(rig.run(attempt("book", "semantic", 2)).await);
    assert_eq!(rig.world.started() - before, 1, "a driver that has recorded the outcome decides for itself");
    rig.tools().ack(rig.worker.id(), recorded("book_semantic", 1, 5)).await.unwrap();
    failure(rig.run(attempt("book", "semantic", 2)).await);
    assert_eq!(rig.world.started() - before, 1, "an ack of the attempt before takes nothing from this one");
    rig.tools().ack(rig.worker.id(), recorded("book_semantic", 2, 5)).await.unwrap();
    let duplicate = refused(&rig, attempt("book", "semantic", 2)).await;
    assert_eq!(duplicate.effect, Effect::Unknown, "a late duplicate of a recorded attempt proves nothing");
}

#[tokio::test(start_paused = true)]
async fn cancel_stops_the_work_and_says_where_it_was() {
    let rig = Rig::new();
    let me = rig.worker.id();
    let early = rig.start(rig.request("fire", "early", json!({"prepare_ms": 9000}))).await;
    let late = rig.start(rig.request("fire", "late", json!({"after_ms": 9000}))).await;
    let stale = rig.tools().cancel(me, call_ref("early"), 4, "old").await.unwrap_err();
    assert_eq!(stale.reason, Reason::StaleEpoch);
    let cancel = |call| rig.worker.executor().cancel_call(me, &call_ref(call), 5, "by hand").unwrap();
    assert_eq!(cancel("early"), Cancelled::BeforeEffect);
    assert_eq!(cancel("late"), Cancelled::Stopping);
    assert_eq!(cancel("nobody"), Cancelled::NotFound);
    let early = failure(end(early).await);
    assert_eq!((early.class, early.effect), (Class::Cancelled, Effect::NotExecuted));
    assert!(early.message.contains("by hand"));
    let late = failure(end(late).await);
    assert_eq!((late.class, late.effect), (Class::Ambiguous, Effect::Unknown));
    assert_eq!(cancel("late"), Cancelled::Finished);
    tokio::time::sleep(seconds(20)).await;
    assert_eq!(rig.world.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn work_outlives_its_stream_for_the_grace_and_no_longer() {
    let rig = Rig::new();
    let request = rig.request("fire", "a", json!({"after_ms": 20_000}));
    drop(rig.start(request.clone()).await);
    tokio::time::sleep(seconds(10)).await;
    let again = rig.start(request).await;
    tokio::time::sleep(seconds(9)).await;
    end(again).await.expect("a driver that comes back in time finds its call");

    let other = rig.request("fire", "b", json!({"after_ms": 30_000}));
    drop(rig.start(other.clone()).await);
    tokio::time::sleep(seconds(17)).await;
    let gone = failure(rig.run(other).await);
    assert_eq!((gone.reason, gone.effect), (Reason::ConnectionLost, Effect::Unknown));
    assert_eq!(rig.tools().fence(rig.worker.id(), call_ref("b"), 6).await.unwrap(), FenceAnswer::Interrupted);
}

#[tokio::test(start_paused = true)]
async fn drivers_hear_heartbeats_and_progress() {
    let rig = Rig::new();
    let mut stream = rig
        .tools()
        .execute(rig.request("read", "a", json!({"beat_ms": 42, "prepare_ms": 12_000})))
        .await
        .unwrap();
    let began = tokio::time::Instant::now();
    let ExecuteEvent::Heartbeat(Some(progress)) = stream.next().await.unwrap().unwrap() else {
        panic!("progress is told at once")
    };
    assert_eq!((progress.percent, began.elapsed()), (Some(42), Duration::ZERO));
    for beat in [5, 10] {
        assert_eq!(stream.next().await.unwrap().unwrap(), ExecuteEvent::Heartbeat(None));
        assert_eq!(began.elapsed().as_secs(), beat);
    }
    assert!(matches!(stream.next().await.unwrap().unwrap(), ExecuteEvent::Finished(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_silent_tool_counts_as_hung_before_its_timeout() {
    let rig = Rig::new();
    let began = tokio::time::Instant::now();
    let hung = failure(rig.run(rig.request("quiet", "a", json!({"after_ms": 50_000}))).await);
    assert_eq!((hung.reason, hung.effect), (Reason::HeartbeatLost, Effect::Unknown));
    assert!(began.elapsed() < seconds(4));
}

#[tokio::test(start_paused = true)]
async fn results_are_kept_until_they_are_acknowledged_or_old() {
    let rig = Rig::new();
    let me = rig.worker.id();
    let request = rig.request("fire", "a", json!({}));
    let outcome: CallOutcome = rig.run(request.clone()).await;
    tokio::time::sleep(seconds(300)).await;
    assert_eq!(rig.run(request.clone()).await, outcome, "kept until not_after and the retention");
    tokio::time::sleep(seconds(61)).await;
    assert_eq!(refused(&rig, request.clone()).await.effect, Effect::Unknown, "forgotten, and it says so");
    assert_eq!(
        rig.tools().fence(me, call_ref("a"), 6).await.unwrap(),
        FenceAnswer::Interrupted,
        "not 'never seen'"
    );

    let read = rig.request("read", "b", json!({}));
    rig.run(read.clone()).await.unwrap();
    rig.run(read.clone()).await.unwrap();
    assert_eq!(rig.world.started(), 2);
    rig.tools().ack(me, recorded("b", 1, 5)).await.unwrap();
    rig.run(read).await.unwrap();
    assert_eq!(rig.world.started(), 3, "an acknowledged read is forgotten");
    assert_eq!(rig.world.effects(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_tool_and_key() {
    let rig = Rig::new();
    let request = rig.request("fire", "a", json!({}));
    rig.run(request.clone()).await.unwrap();
    let other = Execute { tool: "book".parse().unwrap(), ..request };
    assert_eq!(refused(&rig, other).await.reason, Reason::KeyMismatch);
}

#[tokio::test(start_paused = true)]
async fn probes_ask_the_tool() {
    let rig = Rig::new();
    let request = rig.request("book", "a", json!({}));
    let probe = || async {
        let tool = request.tool.clone();
        rig.tools().reconcile(rig.worker.id(), &tool, &request.key, &json!({})).await.unwrap()
    };
    assert_eq!(probe().await, ProbeAnswer::NotDone);
    rig.run(request.clone()).await.unwrap();
    assert!(matches!(probe().await, ProbeAnswer::Done { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_takes_nothing_new_and_ends_what_runs() {
    let rig = Rig::new();
    let running = rig.start(rig.request("fire", "a", json!({"after_ms": 1000}))).await;
    let hanging = rig.start(rig.request("fire", "b", json!({"after_ms": 50_000}))).await;
    let executor = rig.worker.executor().clone();
    executor.drain();
    let late = refused(&rig, rig.request("fire", "c", json!({}))).await;
    assert_eq!((late.reason, late.effect), (Reason::Draining, Effect::NotExecuted));
    drop(rig.start(rig.request("fire", "a", json!({}))).await);
    end(running).await.unwrap();
    executor.abort();
    assert_eq!(failure(end(hanging).await).effect, Effect::Unknown);
    executor.drained().await;
}

#[tokio::test(start_paused = true)]
async fn slots_and_who_waits_for_one_are_counted_until_the_work_has_ended() {
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let config = Config { slots: 1, queue: 5, ..Config::default() };
    let rig = Rig::with(config, |deps| deps.metrics = telemetry.metrics());
    let value = |name: &str| telemetry.scrape().unwrap().value(name).unwrap_or_default();
    let load = || {
        let of = |name: &str| value(&format!("holdfast_worker_{name}"));
        (of("slots"), of("slots_in_use"), of("queue"))
    };
    assert_eq!(load(), (1.0, 0.0, 0.0));
    let first = rig.start(rig.request("put", "a", json!({"after_ms": 1_000}))).await;
    let second = rig.start(rig.request("put", "b", json!({"end": "panic"}))).await;
    assert_eq!(load(), (1.0, 1.0, 1.0));
    end(first).await.unwrap();
    let _ = end(second).await;
    crate::common::settle().await;
    assert_eq!(load(), (1.0, 0.0, 0.0));
    drop(rig);
    assert_eq!(value("holdfast_worker_slots"), 0.0, "a worker that is gone has no slots");
}

/// Blocks its thread until the test lets go of it, whatever it is told.
struct Stuck {
    held: Mutex<Receiver<()>>,
}

#[async_trait]
impl Tool for Stuck {
    fn manifest(&self) -> ToolManifest {
        manifest("stuck").build().unwrap()
    }

    async fn call(&self, _: CallContext, _: Value) -> Result<Answer, ToolFailure> {
        let _ = self.held.lock().unwrap().recv();
        Ok(Value::Null.into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_ignores_its_end_keeps_its_slot_and_is_counted_and_its_caller_is_told_in_time() {
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let config = Config { slots: 2, stop_grace: Duration::from_millis(20), ..Config::default() };
    #[allow(clippy::disallowed_methods)] // that it blocks is the point
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let stuck: Arc<dyn Tool> = Arc::new(Stuck { held: Mutex::new(held) });
    let rig = Rig::hosting(vec![stuck], config, |deps| deps.metrics = telemetry.metrics());
    let of = |name: &str| {
        telemetry.scrape().unwrap().value(&format!("holdfast_worker_{name}")).unwrap_or_default()
    };
    let mut request = rig.request("stuck", "a", json!({}));
    request.timeout = Duration::from_millis(50);
    let stuck = rig.start(request).await;
    let told = failure(end(stuck).await);
    assert_eq!((told.reason, told.effect), (Reason::AttemptTimeout, Effect::Unknown));
    // The caller has its answer; the thread still runs, and with it the slot.
    assert_eq!((of("slots_in_use"), of("calls_overdue")), (1.0, 1.0));
    drop(let_go);
    let ended = || (of("slots_in_use"), of("calls_overdue")) == (0.0, 0.0);
    for _ in 0..10_000 {
        if ended() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the slot is not free again");
}
