//! A slow read gets a second attempt on another worker.

use std::sync::Arc;

use crate::common::tools::Worker;
use crate::common::{Platform, Reply, until};
use holdfast_ports::LiveWorker;
use holdfast_runtime::Ids;
use holdfast_types::TaskOutcome;
use holdfast_types::worker::WorkerInfo;
use serde_json::json;

const PLAN: &str = "
holdfast: v1
name: hedged
steps:
  - { id: a, tool: look, args: { n: 1 }, hedge: { after: 20ms } }
output: { text: '${steps.a.result}', attempts: '${steps.a.attempts}' }
";

/// A second worker with the same tools, as the directory has it.
fn second(platform: &Platform) -> Arc<Worker> {
    let worker = Arc::new(Worker::default());
    let tools = Arc::clone(&worker) as _;
    platform.change_workers(|workers| {
        let first = workers[0].clone();
        let info = Arc::new(WorkerInfo { id: Ids::system().worker(), ..(*first.info).clone() });
        workers.push(LiveWorker { info, tools, ..first });
    });
    worker
}

#[tokio::test]
async fn a_second_attempt_wins_on_another_worker_and_the_first_is_stopped() {
    let platform = Platform::new().await;
    let other = second(&platform);
    platform.worker.script("look", [Reply::Hold]);
    other.script("look", [Reply::Give(json!("quick"))]);
    let running = platform.start().await;
    let task = running.submit(PLAN).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    assert_eq!(finished.output.as_json(), Some(&json!({"text": "quick", "attempts": 2})));
    assert_eq!(finished.report.retries, 0);
    until(async || platform.worker.cancels() == ["a"]).await;
    assert!(other.cancels().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn where_one_worker_hosts_the_tool_there_is_no_hedge() {
    let platform = Platform::new().await;
    platform.worker.script("look", [Reply::Hold]);
    let running = platform.start().await;
    let task = running.submit(PLAN).await;
    until(async || platform.worker.ledger().len() == 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    platform.worker.let_go("a", json!("slow"));
    let finished = running.end(task).await;
    assert_eq!(finished.output.as_json(), Some(&json!({"text": "slow", "attempts": 1})));
    running.stop().await;
}

#[tokio::test]
async fn after_a_crash_of_the_driver_both_attempts_are_replaced() {
    let platform = Platform::new().await;
    let other = second(&platform);
    platform.worker.script("look", [Reply::Hold]);
    other.script("look", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(PLAN).await;
    until(async || platform.worker.ledger().len() + other.ledger().len() == 2).await;
    until(async || first.count(task, "attempt_started").await == 2).await;
    first.crash().await;
    platform.bury_former_owners().await;
    let running = platform.start().await;
    until(async || running.count(task, "attempt_closed").await == 2).await;
    // The third attempt attaches to what still runs at its worker.
    platform.worker.let_go("a", json!("late"));
    other.let_go("a", json!("late"));
    let finished = running.end(task).await;
    assert_eq!(finished.output.as_json().unwrap()["text"], json!("late"));
    running.stop().await;
}
