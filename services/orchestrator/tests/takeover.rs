//! Crashes, takeovers and stale drivers, over the real store: no recorded step runs again, no effect comes twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::faults::{LossyJournal, StaleInbox};
use crate::common::{Platform, Reply, chain, until};
use holdfast_orchestrator::{Config, Deps, Sent};
use holdfast_ports::{Inbox, Journal, KeyAnswer, Keys};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::key::Holder;
use holdfast_types::{Class, Payload, TaskOutcome, TaskStatus};
use serde_json::json;

#[tokio::test]
async fn a_new_life_adopts_the_running_call_and_repeats_nothing() {
    let platform = Platform::new().await;
    let gives = |n: u32| Reply::Give(json!({"of": {"n": n}}));
    platform.worker.script("pay", [gives(0), gives(1), Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(6, "pay")).await;
    until(async || platform.worker.ledger().len() == 3).await;
    first.crash().await;

    platform.bury_former_owners().await;
    let second = platform.start().await;
    let adopted = second.event(task, "attempt_adopted").await;
    assert_eq!(adopted.epoch, 2);
    platform.worker.let_go("s2", json!({"of": {"n": 2}}));
    let finished = second.end(task).await;
    assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 2));
    assert_eq!(platform.worker.deeds(), ["s0", "s1", "s2", "s3", "s4", "s5"]);
}

#[tokio::test]
async fn a_result_that_waits_at_the_worker_is_recorded_and_not_made_again() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(2, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));

    platform.bury_former_owners().await;
    let second = platform.start().await;
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.deeds(), ["s0", "s1"]);
}

#[tokio::test]
async fn a_stale_driver_stops_and_writes_nothing() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let stale = platform.start().await;
    let task = stale.submit(&chain(3, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    // The store believes that everybody is dead; the first instance lives.
    platform.bury_former_owners().await;
    let second = platform.start().await;
    second.event(task, "attempt_adopted").await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    let finished = second.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.deeds(), ["s0", "s1", "s2"]);
    until(async || stale.orchestrator.driving() == 0).await;
    let epochs: Vec<_> = platform.worker.ledger().iter().map(|deed| deed.epoch).collect();
    assert_eq!(epochs, [1, 2, 2]);
    let ends = second.count(task, "attempt_ended").await;
    assert_eq!(ends, 3, "the stale driver's answer was refused");
}

#[tokio::test]
async fn a_drained_task_goes_on_elsewhere_as_released() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(3, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.shutdown.drain();
    // What runs may end; nothing new begins.
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    first.stop().await;
    assert_eq!(platform.worker.deeds(), ["s0"]);
    let second = platform.start().await;
    let finished = second.end(task).await;
    assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 2));
    assert_eq!(platform.worker.deeds(), ["s0", "s1", "s2"]);
}

#[tokio::test]
async fn calls_that_outlast_a_drain_are_left_to_their_worker() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let config = Config { drain: Duration::from_millis(200), ..Config::default() };
    let first = platform.start_with(config, platform.deps()).await;
    let task = first.submit(&chain(2, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.stop().await;
    let second = platform.start().await;
    second.event(task, "attempt_adopted").await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.deeds(), ["s0", "s1"]);
    assert!(platform.worker.cancels().is_empty());
}

#[tokio::test]
async fn a_lost_unsafe_call_waits_for_a_person_and_is_never_repeated() {
    let platform = Platform::new().await;
    let config = Config { begin_within: Duration::from_millis(100), ..Config::default() };
    let first = platform.start_with(config, platform.deps()).await;
    platform.worker.script("pay", [Reply::Vanish]);
    let plan = "
holdfast: v1
name: lost
steps:
  - { id: a, tool: pay, args: { n: 1 }, attempt_timeout: 10ms }
";
    let task = first.submit(plan).await;
    until(async || platform.worker.ledger().len() == 1).await;
    // The worker is gone for good: its fence is never answered, and `not_after` must pass.
    platform.change_workers(|workers| workers.clear());
    first.event(task, "question_asked").await;
    let view = first.orchestrator.get(task).await.unwrap();
    assert_eq!(view.asked.len(), 1);
    let resolve = Message::ResolveOutcome {
        call: "a".parse().unwrap(),
        resolution: Resolution::Happened { result: holdfast_types::Payload::Json(json!("paid")) },
        reason: "the bank says so".into(),
    };
    let sent = Sent { id: None, from: Some("ada".into()), message: resolve };
    first.orchestrator.send(task, sent).await.unwrap();
    let finished = first.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.deeds(), ["a"]);
}

#[tokio::test]
async fn a_result_that_outlived_its_worker_and_its_driver_is_recorded_and_nobody_is_asked() {
    for tool in ["pay", "book"] {
        let platform = Platform::new().await;
        platform.worker.script(tool, [Reply::Hold]);
        let config = Config { begin_within: Duration::from_millis(100), ..Config::default() };
        let first = platform.start_with(config.clone(), platform.deps()).await;
        let plan = format!(
            "
holdfast: v1
name: kept
steps:
  - {{ id: a, tool: {tool}, args: {{ n: 1 }}, attempt_timeout: 100ms }}
"
        );
        let task = first.submit(&plan).await;
        until(async || platform.worker.ledger().len() == 1).await;
        first.crash().await;
        // The worker writes its result on the key, and dies before anybody hears of it.
        let key = platform.worker.ledger()[0].key.clone();
        let holder = Holder::Call { task, call: "a".parse().unwrap() };
        let kept = Payload::Json(json!("kept"));
        let offered = platform.store.offer_evidence(&key, &holder, kept).await.unwrap();
        assert_eq!(offered, KeyAnswer::Ok);
        platform.change_workers(|workers| workers.clear());

        platform.bury_former_owners().await;
        let second = platform.start_with(config, platform.deps()).await;
        let finished = second.end(task).await;
        assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 2));
        let ended = second.event(task, "attempt_ended").await;
        assert!(ended.body.contains("kept"), "{}", ended.body);
        let kinds = second.kinds(task).await;
        assert!(!kinds.iter().any(|kind| kind == "question_asked" || kind == "probed"), "{kinds:?}");
        assert_eq!(platform.worker.deeds(), ["a"]);
    }
}

#[tokio::test]
async fn a_call_whose_worker_goes_before_it_is_attached_to_is_never_repeated() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let config = Config { begin_within: Duration::from_millis(100), ..Config::default() };
    let first = platform.start_with(config.clone(), platform.deps()).await;
    let plan = "
holdfast: v1
name: left
steps:
  - { id: s0, tool: pay, args: { n: 1 }, attempt_timeout: 100ms }
";
    let task = first.submit(plan).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;

    platform.bury_former_owners().await;
    let directory = Arc::clone(&platform.directory);
    let leave = move |kind: &str| {
        if kind == "attempt_adopted" {
            directory.change(|workers| workers.clear());
        }
    };
    let inner = Arc::clone(&platform.journal) as _;
    let journal = Arc::new(LossyJournal { written: Box::new(leave), ..LossyJournal::new(inner) });
    let second = platform.start_with(config, Deps { journal, ..platform.deps() }).await;
    second.event(task, "question_asked").await;
    assert_eq!(second.count(task, "attempt_adopted").await, 1);
    assert_eq!(second.count(task, "attempt_started").await, 1);
    assert_eq!(second.count(task, "attempt_ended").await, 0, "nobody has said how it ended");
    assert_eq!(platform.worker.deeds(), ["s0"]);
}

#[tokio::test]
async fn an_attach_that_finds_nobody_proves_nothing_and_is_tried_again() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(2, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;

    platform.bury_former_owners().await;
    platform.worker.refuse_attaches(3);
    let second = platform.start().await;
    until(async || second.count(task, "attempt_adopted").await == 4).await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(second.count(task, "attempt_started").await, 2);
    assert_eq!(platform.worker.deeds(), ["s0", "s1"]);
}

#[tokio::test]
async fn a_key_that_another_task_has_used_answers_from_its_record() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = |n: u32| {
        format!(
            "
holdfast: v1
name: keyed
steps:
  - {{ id: a, tool: look, args: {{}} }}
  - {{ id: charge, tool: pay, key: order-7, args: {{ cents: {n} }}, depends_on: [a] }}
output: ${{steps.charge}}
"
        )
    };
    let one = running.submit(&plan(5)).await;
    assert_eq!(running.end(one).await.outcome, TaskOutcome::Succeeded);
    let two = running.submit(&plan(5)).await;
    let finished = running.end(two).await;
    let output = finished.output.as_json().unwrap();
    assert_eq!((finished.outcome, &output["source"]), (TaskOutcome::Succeeded, &json!("REPLAY")));
    assert_eq!(platform.worker.deeds().iter().filter(|call| *call == "charge").count(), 1);
    let other = running.submit(&plan(6)).await;
    let failure = running.end(other).await.failure.unwrap();
    assert_eq!(failure.reason.as_str(), "KEY_MISMATCH");
}

#[tokio::test]
async fn a_key_that_is_held_is_waited_for() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    platform.worker.script("pay", [Reply::Hold]);
    let plan = "
holdfast: v1
name: keyed
steps:
  - { id: charge, tool: pay, key: order-7, args: {} }
";
    let one = running.submit(plan).await;
    until(async || platform.worker.ledger().len() == 1).await;
    let two = running.submit(plan).await;
    until(async || running.count(two, "life_started").await == 1).await;
    platform.worker.let_go("charge", json!("paid"));
    assert_eq!(running.end(one).await.outcome, TaskOutcome::Succeeded);
    let finished = running.end(two).await;
    assert_eq!((finished.outcome, finished.report.replays), (TaskOutcome::Succeeded, 1));
    assert_eq!(platform.worker.ledger().len(), 1);
}

#[tokio::test]
async fn a_cancelled_task_aborts_its_call_and_ends() {
    let platform = Platform::new().await;
    platform.worker.script("put", [Reply::Hold]);
    let running = platform.start().await;
    let task = running.submit(&chain(3, "put")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    let cancel = Message::Cancel { on_cancel: None, reason: "changed my mind".into() };
    let sent = Sent { id: None, from: None, message: cancel };
    let status = running.orchestrator.send(task, sent.clone()).await.unwrap();
    assert_ne!(status, TaskStatus::Finished);
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Cancelled);
    assert_eq!(platform.worker.cancels(), ["s0"]);
    assert_eq!(platform.worker.deeds(), ["s0"]);
    assert_eq!(running.orchestrator.send(task, sent).await.unwrap(), TaskStatus::Finished);
    assert_eq!(platform.store.read(task).await.unwrap(), []);
}

#[tokio::test]
async fn a_cancel_does_not_overtake_the_call_that_it_means() {
    let platform = Platform::new().await;
    platform.worker.script("put", [Reply::Hold]);
    platform.worker.delay_calls(true);
    let running = platform.start().await;
    let task = running.submit(&chain(2, "put")).await;
    running.event(task, "attempt_started").await;
    let cancel = Message::Cancel { on_cancel: None, reason: "changed my mind".into() };
    running.orchestrator.send(task, Sent { id: None, from: None, message: cancel }).await.unwrap();
    running.event(task, "message_handled").await;
    // What follows the message is performed as soon as it is durable; another one proves that this was done.
    let note = Message::Inject { note: "still there?".into() };
    running.orchestrator.send(task, Sent { id: None, from: None, message: note }).await.unwrap();
    running.event(task, "note_added").await;
    assert!(platform.worker.cancels().is_empty());
    platform.worker.delay_calls(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Cancelled);
    assert_eq!(platform.worker.cancels(), ["s0"]);
}

#[tokio::test]
async fn a_message_that_a_late_read_brings_again_is_handled_once() {
    let platform = Platform::new().await;
    platform.worker.script("look", [Reply::Hold]);
    let inbox = Arc::new(StaleInbox { inner: Arc::new(platform.store.clone()), seen: Mutex::default() });
    let running = platform.start_with(Config::default(), Deps { inbox, ..platform.deps() }).await;
    let task = running.submit(&chain(2, "look")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    for n in 1..4 {
        let note = Message::Inject { note: format!("note {n}") };
        running.orchestrator.send(task, Sent { id: None, from: None, message: note }).await.unwrap();
        until(async || running.count(task, "message_handled").await >= n).await;
    }
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(running.count(task, "message_handled").await, 3);
}

#[tokio::test]
async fn a_waiting_task_is_given_back_and_woken_by_a_message() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    platform.worker.script("look", [Reply::Hold]);
    let task = running.submit(&chain(2, "look")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    running.orchestrator.send(task, Sent { id: None, from: None, message: Message::Pause }).await.unwrap();
    running.event(task, "message_handled").await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    until(async || running.orchestrator.driving() == 0).await;
    let view = running.orchestrator.get(task).await.unwrap();
    assert_eq!(view.row.status, TaskStatus::Waiting);
    running
        .orchestrator
        .send(task, Sent { id: None, from: None, message: Message::Resume { note: None } })
        .await
        .unwrap();
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
}

#[tokio::test]
async fn a_class_of_failure_that_never_passes_spends_its_attempts() {
    let platform = Platform::new().await;
    platform.worker.script("put", std::iter::repeat_n(Reply::Refuse(Class::Transient), 10));
    let running = platform.start().await;
    let task = running.submit(&chain(1, "put")).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    assert_eq!(finished.failure.unwrap().attempts, 4);
    assert!(platform.worker.ledger().is_empty());
}

/// The owner of the data folder, whose workers die with it.
struct Owner(std::sync::Mutex<Vec<holdfast_types::WorkerId>>);

impl holdfast_orchestrator::Host for Owner {
    fn hosts(&self, worker: holdfast_types::WorkerId) -> bool {
        self.0.lock().unwrap().contains(&worker)
    }
}

#[tokio::test]
async fn workers_that_died_with_the_former_owner_are_not_waited_for() {
    let platform = Platform::new().await;
    let hosting = |ids: Vec<_>| std::sync::Arc::new(Owner(std::sync::Mutex::new(ids)));
    let deps = holdfast_orchestrator::Deps { host: hosting(vec![platform.worker_id]), ..platform.deps() };
    let first = platform.start_with(Config::default(), deps).await;
    platform.worker.script("book", [Reply::Hold]);
    let plan = "
holdfast: v1
name: owner
steps:
  - { id: a, tool: book, args: { n: 1 } }
";
    let task = first.submit(plan).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;
    // Another process owns the folder now, with a worker of its own.
    let next = holdfast_runtime::Ids::system().worker();
    platform.change_workers(|workers| {
        let info = holdfast_types::worker::WorkerInfo { id: next, ..(*workers[0].info).clone() };
        workers[0].info = std::sync::Arc::new(info);
    });
    platform.bury_former_owners().await;
    let deps = holdfast_orchestrator::Deps { host: hosting(vec![next]), ..platform.deps() };
    let second = platform.start_with(Config::default(), deps).await;
    let began = tokio::time::Instant::now();
    let finished = second.end(task).await;
    assert!(began.elapsed() < Duration::from_secs(2), "it waited for a dead worker: {:?}", began.elapsed());
    assert_eq!(finished.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.deeds(), ["a"], "the probe found the deed");
}

#[tokio::test]
async fn a_resume_reads_from_the_snapshot_and_repeats_nothing() {
    let platform = Platform::new().await;
    let large = |n: u32| Reply::Give(json!({"of": {"n": n}, "text": "x".repeat(40_000)}));
    platform.worker.script("pay", (0..10).map(large).chain([Reply::Hold]));
    let first = platform.start().await;
    let task = first.submit(&chain(12, "pay")).await;
    until(async || platform.worker.ledger().len() == 11).await;
    until(async || platform.store.load(task).await.unwrap().snapshot.is_some()).await;
    first.crash().await;

    let loaded = platform.store.load(task).await.unwrap();
    let snapshot = loaded.snapshot.expect("it was stored");
    assert!(snapshot.seq > 10, "{}", snapshot.seq);
    assert!(loaded.events.iter().all(|row| row.seq > snapshot.seq));
    platform.bury_former_owners().await;
    let second = platform.start().await;
    second.event(task, "attempt_adopted").await;
    platform.worker.let_go("s10", json!({"of": {"n": 10}}));
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    let expected: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    assert_eq!(platform.worker.deeds(), expected);
}
