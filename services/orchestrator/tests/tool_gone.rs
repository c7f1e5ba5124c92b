//! A task whose tool nobody hosts waits as a row, and is woken when a worker comes (DESIGN section 2).

use std::time::Duration;

use crate::common::{Platform, Running, chain, submission, until};
use holdfast_orchestrator::{Config, Orchestrator, SubtaskQuery};
use holdfast_ports::LiveWorker;
use holdfast_runtime::Ids;
use holdfast_types::task::WaitReason;
use holdfast_types::{Reason, TaskId, TaskOutcome, TaskStatus};
use serde_json::json;

fn impatient() -> Config {
    Config { host_patience: Duration::from_millis(20), ..Config::default() }
}

/// A task that was accepted while its tools were there, and the workers that went away before it began.
async fn left_alone(platform: &Platform, plan: &str) -> (TaskId, Vec<LiveWorker>) {
    let idle = Orchestrator::new(Config::default(), platform.deps());
    let task = idle.submit(submission(plan, json!({}))).await.unwrap().row.id;
    let mut gone = Vec::new();
    platform.change_workers(|workers| gone = std::mem::take(workers));
    (task, gone)
}

/// A worker as it comes back: another incarnation.
fn again(worker: &LiveWorker) -> LiveWorker {
    let mut info = (*worker.info).clone();
    info.id = Ids::system().worker();
    LiveWorker { info: info.into(), ..worker.clone() }
}

async fn rests(running: &Running, task: TaskId) {
    until(async || {
        let row = running.orchestrator.get(task).await.unwrap().row;
        row.status == TaskStatus::Waiting
            && row.waits_for == Some(WaitReason::ToolGone)
            && row.owner.is_none()
    })
    .await;
}

#[tokio::test]
async fn a_task_whose_tool_is_gone_is_given_back_and_woken_when_a_worker_comes() {
    let platform = Platform::new().await;
    let (task, gone) = left_alone(&platform, &chain(2, "pay")).await;
    let running = platform.start_with(impatient(), platform.deps()).await;
    rests(&running, task).await;
    let page = running.orchestrator.subtasks(task, SubtaskQuery { size: 10, ..SubtaskQuery::default() });
    let waiting = page.await.unwrap().subtasks.remove(0);
    let failure = waiting.failure.expect("it says what it waits for");
    assert_eq!((waiting.attempts, failure.reason), (0, Reason::ToolGone));
    assert_eq!(failure.message, "no live worker hosts pay");

    platform.change_workers(|workers| workers.extend(gone.iter().map(again)));
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.retries), (TaskOutcome::Succeeded, 0));
    assert_eq!(platform.worker.ledger().len(), 2);
    // It was woken by one message, which may be handled after the end that it led to.
    until(async || running.count(task, "message_handled").await == 1).await;
    assert_eq!(running.count(task, "call_waits").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn several_orchestrators_that_see_the_same_worker_come_wake_a_task_once() {
    let platform = Platform::new().await;
    let (task, gone) = left_alone(&platform, &chain(1, "pay")).await;
    let first = platform.start_with(impatient(), platform.deps()).await;
    rests(&first, task).await;
    let second = platform.start_with(impatient(), platform.deps()).await;
    platform.change_workers(|workers| workers.extend(gone.iter().map(again)));
    assert_eq!(first.end(task).await.outcome, TaskOutcome::Succeeded);
    until(async || first.count(task, "message_handled").await == 1).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_worker_with_another_kind_of_tool_does_not_end_the_wait_and_a_fitting_one_does() {
    let platform = Platform::new().await;
    let (task, gone) = left_alone(&platform, &chain(1, "pay")).await;
    let running = platform.start_with(impatient(), platform.deps()).await;
    rests(&running, task).await;
    let mut other = again(&gone[0]);
    let mut info = (*other.info).clone();
    for tool in info.tools.iter_mut().filter(|tool| tool.name.as_str() == "pay") {
        tool.side_effect = holdfast_types::SideEffect::ReadOnly;
    }
    other.info = info.into();
    platform.change_workers(|workers| workers.push(other));
    until(async || running.count(task, "message_handled").await == 1).await;
    rests(&running, task).await;
    assert!(platform.worker.ledger().is_empty());
    platform.change_workers(|workers| workers.push(again(&gone[0])));
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    running.stop().await;
}

#[tokio::test]
async fn the_wait_ends_with_the_step_s_time() {
    let platform = Platform::new().await;
    let plan = "holdfast: v1\nname: short\nsteps:\n  - { id: s, tool: pay, args: {}, timeout: 1s }\n";
    let (task, _) = left_alone(&platform, plan).await;
    let running = platform.start_with(impatient(), platform.deps()).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    let failure = finished.failure.unwrap();
    assert_eq!((failure.class, failure.reason), (holdfast_types::Class::Unavailable, Reason::ToolGone));
    running.stop().await;
}
