//! A worker that gives no sign of life: its call counts as hung before its attempt's time is over.

use std::time::Duration;

use crate::common::{Platform, Reply, Running, chain, tool};
use holdfast_orchestrator::Config;
use holdfast_types::{SideEffect, TaskOutcome};
use serde_json::json;

const SILENCE: Duration = Duration::from_millis(200);

async fn platform() -> (Platform, Running) {
    let with_limit = |name, class| {
        let mut made = tool(name, class);
        made.heartbeat_timeout = Some(Duration::from_millis(50));
        made
    };
    let platform = Platform::with_tools(vec![
        with_limit("look", SideEffect::ReadOnly),
        with_limit("put", SideEffect::Idempotent),
        with_limit("pay", SideEffect::Unsafe),
    ])
    .await;
    let config = Config { worker_silence: SILENCE, ..Config::default() };
    let running = platform.start_with(config, platform.deps()).await;
    (platform, running)
}

async fn first_failure(running: &Running, task: holdfast_types::TaskId) -> serde_json::Value {
    let row = running.event(task, "attempt_ended").await;
    serde_json::from_str::<serde_json::Value>(&row.body).unwrap()["ended"].clone()
}

#[tokio::test]
async fn a_silent_call_that_may_be_repeated_is_stopped_and_tried_again() {
    for tool in ["look", "put"] {
        let (platform, running) = platform().await;
        platform.worker.script(tool, [Reply::Hang]);
        let task = running.submit(&chain(1, tool)).await;
        let finished = running.end(task).await;
        assert_eq!((finished.outcome, finished.report.retries), (TaskOutcome::Succeeded, 1), "{tool}");
        assert_eq!(platform.worker.cancels(), ["s0"]);
        let ended = first_failure(&running, task).await;
        assert_eq!(ended["failure"]["reason"], "HEARTBEAT_LOST");
        assert_eq!(
            (&ended["failure"]["class"], &ended["next"]["do"]),
            (&json!("TRANSIENT"), &json!("RETRY"))
        );
        running.stop().await;
    }
}

#[tokio::test]
async fn a_silent_call_that_must_not_be_repeated_is_ambiguous_and_a_person_is_asked() {
    let (platform, running) = platform().await;
    platform.worker.script("pay", [Reply::Hang]);
    let task = running.submit(&chain(1, "pay")).await;
    running.event(task, "question_asked").await;
    let ended = first_failure(&running, task).await;
    assert_eq!(ended["failure"]["reason"], "HEARTBEAT_LOST");
    assert_eq!((&ended["failure"]["class"], &ended["next"]["do"]), (&json!("AMBIGUOUS"), &json!("SETTLE")));
    assert_eq!(platform.worker.deeds(), ["s0"], "it is not repeated");
    running.stop().await;
}

#[tokio::test]
async fn heartbeats_keep_a_call_alive_for_as_long_as_its_attempt_may_take() {
    let (platform, running) = platform().await;
    platform.worker.script("pay", [Reply::Beat]);
    let task = running.submit(&chain(1, "pay")).await;
    running.event(task, "attempt_started").await;
    crate::common::until(async || platform.worker.ledger().len() == 1).await;
    tokio::time::sleep(3 * SILENCE).await;
    assert!(platform.worker.cancels().is_empty());
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    running.stop().await;
}

#[tokio::test]
async fn heartbeats_for_ever_do_not_lengthen_an_attempt() {
    let (platform, _) = platform().await;
    let grace = Duration::from_millis(100);
    let config = Config { worker_silence: SILENCE, attempt_grace: grace, ..Config::default() };
    let running = platform.start_with(config, platform.deps()).await;
    platform.worker.script("look", [Reply::Beat]);
    let plan = "
holdfast: v1
name: lively
steps:
  - { id: s0, tool: look, args: {}, attempt_timeout: 300ms }
";
    let task = running.submit(plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded);
    // It was stopped by its time and not by silence, and tried again.
    assert_eq!(platform.worker.cancels(), ["s0"]);
    assert_eq!(platform.worker.tokens("s0").len(), 2);
}
