//! One task's load is no other task's trouble: fair order, rate limits, and queues with an end.

use std::time::Duration;

use crate::common::{Platform, Reply, Running, chain, submission, until};
use holdfast_orchestrator::{Config, Deps, Limit, Limits, Orchestrator, Sent, Submission};
use holdfast_proto::v1;
use holdfast_proto::v1::orchestrator_service_server::OrchestratorService as _;
use holdfast_telemetry::Telemetry;
use holdfast_types::inbox::Message;
use holdfast_types::task::WaitReason;
use holdfast_types::{Priority, Reason, TaskId, TaskOutcome, TaskStatus};
use serde_json::{Value, json};
use tonic_types::StatusExt;

/// How many answers a driver takes in before others run.
const A_ROUND: usize = 512;

/// A call for each of so many items, all of them at once.
fn fan_out(tool: &str, items: usize, timeout: &str) -> (String, Value) {
    let plan = format!(
        "holdfast: v1\nname: many\ninputs:\n  items: {{ type: array }}\nsteps:\n  - id: each\n    \
         for_each: inputs.items\n    concurrency: {items}\n    tool: {tool}\n    importance: OPTIONAL\n    \
         timeout: {timeout}\n    args: {{ n: '${{item}}' }}\n"
    );
    (plan, json!({ "items": (0..items).collect::<Vec<_>>() }))
}

fn in_namespace(namespace: &str, plan: &str, inputs: Value) -> Submission {
    Submission { namespace: namespace.parse().unwrap(), ..submission(plan, inputs) }
}

async fn submit(orchestrator: &Orchestrator, submission: Submission) -> TaskId {
    orchestrator.submit(submission).await.unwrap().row.id
}

fn slots(platform: &Platform, slots: u32) {
    platform.change_workers(|workers| {
        let mut info = (*workers[0].info).clone();
        info.slots = slots;
        workers[0].info = info.into();
    });
}

fn value(telemetry: &Telemetry, series: &str) -> f64 {
    telemetry.scrape().unwrap().value(series).unwrap_or_default()
}

#[tokio::test]
async fn a_small_task_of_another_namespace_ends_while_a_fan_out_of_five_thousand_calls_is_under_way() {
    let platform = Platform::new().await;
    slots(&platform, 4);
    platform.worker.script("look", vec![Reply::Hold; 4]);
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let deps = Deps { metrics: telemetry.metrics(), ..platform.deps() };
    let running = platform.start_with(Config::default(), deps).await;
    let (plan, inputs) = fan_out("look", 5_000, "10m");
    let big = submit(&running.orchestrator, in_namespace("big", &plan, inputs)).await;
    // All of them stand there before the small one comes: four at the worker, the others in the queue.
    until(async || value(&telemetry, "holdfast_calls_queued") >= 4_996.0).await;
    until(async || platform.worker.ledger().len() == 4).await;
    let small = submit(&running.orchestrator, in_namespace("small", &chain(1, "look"), json!({}))).await;
    until(async || value(&telemetry, "holdfast_calls_queued") >= 4_997.0).await;
    for call in platform.worker.deeds() {
        platform.worker.let_go(&call, json!("at last"));
    }
    assert_eq!(running.end(small).await.outcome, TaskOutcome::Succeeded);
    let place = platform.worker.deeds().iter().position(|call| call == "s0").unwrap();
    // It has the second place that is free. The fan-out's driver then takes some answers in before the small one's runs
    // on this one thread; never more than a round of them.
    assert!(place <= 4 + A_ROUND, "{} calls went before it", place - 4);
    let ended = running.orchestrator.get(big).await.unwrap().row.status == TaskStatus::Finished;
    assert!(!ended && platform.worker.ledger().len() < 5_000, "the fan-out is over already");
    running.crash().await;
}

/// A task whose only call was put off: it is a row, and nobody drives it.
async fn is_held_back(running: &Running, task: TaskId) {
    until(async || {
        let row = running.orchestrator.get(task).await.unwrap().row;
        row.status == TaskStatus::Waiting && row.waits_for == Some(WaitReason::Backoff) && row.owner.is_none()
    })
    .await;
}

#[tokio::test]
async fn after_one_refusal_no_task_calls_the_dependency_before_its_time_not_even_after_a_crash() {
    let platform = Platform::new().await;
    platform.worker.script("put", [Reply::Limit(Duration::from_secs(60))]);
    let running = platform.start().await;
    let first = running.submit(&chain(1, "put")).await;
    is_held_back(&running, first).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(running.submit(&chain(1, "put")).await);
    }
    for task in &others {
        is_held_back(&running, *task).await;
    }
    // Another dependency is none of it.
    let free = running.submit(&chain(1, "look")).await;
    assert_eq!(running.end(free).await.outcome, TaskOutcome::Succeeded);
    running.crash().await;
    platform.bury_former_owners().await;
    // Another instance has met no refusal; the rows know.
    let running = platform.start().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for task in &others {
        is_held_back(&running, *task).await;
        let row = running.orchestrator.get(*task).await.unwrap().row;
        let wait = row.wake_at.unwrap().since(row.submitted_at);
        assert!(wait >= Duration::from_secs(59), "{wait:?}");
    }
    assert_eq!(platform.worker.ledger().len(), 1, "{:?}", platform.worker.deeds());
    // A cancel does not wait for the time.
    let cancel =
        Sent { id: None, from: None, message: Message::Cancel { on_cancel: None, reason: String::new() } };
    running.orchestrator.send(others[0], cancel).await.unwrap();
    assert_eq!(running.end(others[0]).await.outcome, TaskOutcome::Cancelled);
    running.stop().await;
}

#[tokio::test]
async fn a_call_that_could_only_leave_after_its_step_s_time_fails_at_once_with_the_rate_limit() {
    let platform = Platform::new().await;
    platform.worker.script("put", [Reply::Limit(Duration::from_secs(60))]);
    let running = platform.start().await;
    let first = running.submit(&chain(1, "put")).await;
    is_held_back(&running, first).await;
    let hurried = running
        .submit(
            "holdfast: v1\nname: hurried\nsteps:\n  - { id: s, tool: put, importance: OPTIONAL, timeout: 20s }\n",
        )
        .await;
    let finished = running.end(hurried).await;
    assert_eq!(finished.outcome, TaskOutcome::Degraded);
    let missing = finished.report.missing[0].failure.clone().unwrap();
    assert_eq!(missing.reason, Reason::RateLimited);
    assert!(missing.retry_after.is_some_and(|wait| wait > Duration::from_secs(20)), "{missing:?}");
    running.stop().await;
}

#[tokio::test]
async fn the_time_in_the_queue_is_the_step_s_and_what_is_late_is_never_begun() {
    let platform = Platform::new().await;
    platform.worker.script("look", [Reply::Hold]);
    let limits = Limits {
        tools: [("look".to_owned(), Limit { concurrency: 1, ..Limit::default() })].into(),
        ..Limits::default()
    };
    let running = platform.start_with(Config { limits, ..Config::default() }, platform.deps()).await;
    let (plan, inputs) = fan_out("look", 6, "300ms");
    let task = running.submit_with(&plan, inputs).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Degraded, "{:?}", finished.failure);
    // One began, under a limit of one; five waited their time out, and leave no trace at the worker, also later.
    let after = running.submit(&chain(1, "look")).await;
    assert_eq!(running.end(after).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.ledger().len(), 2, "{:?}", platform.worker.deeds());
    assert_eq!(running.count(task, "attempt_started").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn an_instance_drives_so_many_at_once_and_the_queue_goes_by_priority() {
    let platform = Platform::new().await;
    platform.worker.script("look", [Reply::Hold]);
    let config = Config { max_driven: 1, ..Config::default() };
    let running = platform.start_with(config, platform.deps()).await;
    let first = running.submit(&chain(1, "look")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    let mut queued = Vec::new();
    for (name, level) in [("put", 5), ("book", 3), ("look", 1)] {
        let priority = Priority::try_new(level).unwrap();
        let plan = chain(1, name);
        queued.push(
            submit(&running.orchestrator, Submission { priority, ..submission(&plan, json!({})) }).await,
        );
    }
    for task in &queued {
        assert_eq!(running.orchestrator.get(*task).await.unwrap().row.status, TaskStatus::Queued);
    }
    assert_eq!(platform.store.backlog().await.unwrap().queued, 3);
    platform.worker.let_go("s0", json!(1));
    for task in [first].iter().chain(&queued) {
        assert_eq!(running.end(*task).await.outcome, TaskOutcome::Succeeded);
    }
    let tools: Vec<_> = platform.worker.ledger().into_iter().map(|deed| deed.tool).collect();
    assert_eq!(tools, ["look", "look", "book", "put"]);
    running.stop().await;
}

#[tokio::test]
async fn a_full_queue_says_so_over_the_wire_and_when_to_come_back() {
    let platform = Platform::new().await;
    let idle = Orchestrator::new(Config { queue_limit: 2, ..Config::default() }, platform.deps());
    let service = idle.service();
    let ask = |namespace: &str, priority: u32| {
        tonic::Request::new(v1::SubmitTaskRequest {
            namespace: namespace.to_owned(),
            priority,
            body: Some(v1::submit_task_request::Body::PlanSource(chain(1, "look"))),
            ..Default::default()
        })
    };
    for _ in 0..2 {
        service.submit_task(ask("busy", 0)).await.unwrap();
    }
    let status = service.submit_task(ask("busy", 1)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("QUEUE_FULL", "holdfast.dev"));
    assert_eq!(info.metadata["limit"], "2");
    assert!(details.retry_info().unwrap().retry_delay.is_some_and(|delay| delay >= Duration::from_secs(1)));
    // Other namespaces have a queue of their own.
    service.submit_task(ask("other", 5)).await.unwrap();
    let status = service.submit_task(ask("other", 6)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
}
