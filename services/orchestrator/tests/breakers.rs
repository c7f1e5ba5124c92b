//! What an open breaker means for tasks: nothing is sent, who can do without goes on, and who can't waits as a row.

use std::sync::Arc;
use std::time::Duration;

use crate::common::breakers::{Owner, generation};
use crate::common::{Platform, Reply, Running, chain, tool, until};
use holdfast_orchestrator::{Config, Deps, SubtaskQuery};
use holdfast_ports::{CallKind, CallVerdict};
use holdfast_resilience::breaker::Policy;
use holdfast_types::breaker::Position;
use holdfast_types::manifest::TrialBy;
use holdfast_types::task::{ResultSource, WaitReason};
use holdfast_types::{Class, Effect, Reason, SideEffect, TaskId, TaskOutcome, TaskStatus};
use serde_json::json;

const OPEN: Position = Position::Open { left: Duration::from_secs(60) };

async fn start(platform: &Platform, owner: &Arc<Owner>, config: Config) -> Running {
    let deps = Deps { breakers: Arc::clone(owner) as _, ..platform.deps() };
    platform.start_with(config, deps).await
}

/// A plan of one step.
fn one(step: &str) -> String {
    format!("holdfast: v1\nname: one\nsteps:\n  - {{ id: s, tool: pay, args: {{ n: 1 }}{step} }}\n")
}

/// Waits until a task waits for a breaker, and nobody drives it.
async fn rests(running: &Running, task: TaskId) {
    until(async || {
        let row = running.orchestrator.get(task).await.unwrap().row;
        row.status == TaskStatus::Waiting
            && row.waits_for == Some(WaitReason::CircuitOpen)
            && row.owner.is_none()
    })
    .await;
}

#[tokio::test]
async fn an_open_breaker_skips_optional_steps_and_sends_degradable_ones_to_their_fallback_at_once() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::present());
    owner.tell("pay", 1, OPEN);
    let running = start(&platform, &owner, Config::default()).await;
    let task = running.submit(&one(", importance: OPTIONAL")).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Degraded);
    let failure = finished.report.missing[0].failure.clone().unwrap();
    assert_eq!((failure.class, failure.effect), (Class::Unavailable, Effect::NotExecuted));
    assert_eq!((failure.reason, failure.attempts), (Reason::CircuitOpen, 0));
    assert!(failure.retry_after.is_some_and(|left| left > Duration::from_secs(50)));
    assert_eq!((&*failure.details["breaker"], &*failure.details["breaker_state"]), ("pay", "open"));

    let fallback = ", importance: DEGRADABLE, fallback: [{ tool: put, args: { n: 2 } }]";
    let task = running.submit(&one(fallback)).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Degraded);
    let query = SubtaskQuery { step: None, statuses: Vec::new(), size: 10, token: None };
    let page = running.orchestrator.subtasks(task, query).await.unwrap();
    assert!(page.subtasks.iter().any(|subtask| subtask.source == Some(ResultSource::Fallback)));
    let tools: Vec<_> = platform.worker.ledger().into_iter().map(|deed| deed.tool).collect();
    assert_eq!(tools, ["put"], "nothing went to the tool whose breaker is open");
    assert_eq!(running.count(task, "call_waits").await, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_critical_call_waits_as_a_row_and_is_woken_when_the_breaker_closes() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::present());
    owner.tell("pay", 1, OPEN);
    let running = start(&platform, &owner, Config::default()).await;
    let task = running.submit(&chain(2, "pay")).await;
    rests(&running, task).await;
    assert!(running.event(task, "call_waits").await.body.contains("CIRCUIT_OPEN"));
    assert!(platform.worker.ledger().is_empty());
    owner.tell("pay", 2, Position::Closed);
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.retries), (TaskOutcome::Succeeded, 0));
    assert_eq!(running.count(task, "call_waits").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn a_wait_in_place_ends_with_the_breaker_and_one_past_the_step_s_time_is_a_failure() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::present());
    owner.tell("pay", 1, Position::Open { left: Duration::from_millis(900) });
    let running = start(&platform, &owner, Config::default()).await;
    let waits = running.submit(&one("")).await;
    running.event(waits, "call_waits").await;
    owner.tell("pay", 2, Position::Closed);
    assert_eq!(running.end(waits).await.outcome, TaskOutcome::Succeeded);
    owner.tell("pay", 3, OPEN);
    until(async || running.orchestrator.get(waits).await.unwrap().row.status == TaskStatus::Finished).await;
    let task = running.submit(&one(", timeout: 5s")).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    assert_eq!(finished.failure.unwrap().reason, Reason::CircuitOpen);
    running.stop().await;
}

#[tokio::test]
async fn the_trial_is_made_by_a_call_that_waits_and_no_other_is_sent() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::present());
    owner.tell("pay", 1, Position::Open { left: Duration::from_millis(1_500) });
    // They wait in place.
    let config = Config { give_back_after: Duration::from_secs(60), ..Config::default() };
    let running = start(&platform, &owner, config).await;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let task = running.submit(&one("")).await;
        running.event(task, "call_waits").await;
        tasks.push(task);
    }
    platform.worker.script("pay", [Reply::Hold]);
    owner.tell("pay", 2, Position::HalfOpen { left: Duration::from_secs(60) });
    owner.permit("pay", 2, Duration::from_secs(5));
    until(async || platform.worker.ledger().len() == 1).await;
    // It is told as begun at once, so that nobody else gets a permit.
    until(async || owner.calls().iter().any(|call| call.verdict == CallVerdict::Begun)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(platform.worker.ledger().len(), 1);
    platform.worker.let_go("s", json!(1));
    until(async || owner.calls().iter().any(|call| call.verdict == CallVerdict::Alive)).await;
    let trials = owner.calls();
    assert!(trials.iter().all(|call| call.kind == CallKind::Trial && call.generation == Some(generation(2))));
    assert_eq!(trials.len(), 2);
    owner.tell("pay", 3, Position::Closed);
    for task in tasks {
        assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    }
    running.stop().await;
}

#[tokio::test]
async fn outcomes_are_reported_in_batches_under_the_generation_they_were_let_through_in() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::present());
    owner.tell("pay", 7, Position::Closed);
    let running = start(&platform, &owner, Config::default()).await;
    let task = running.submit(&chain(40, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    until(async || owner.calls().len() == 40).await;
    assert!(owner.reports() <= 10, "{} reports", owner.reports());
    let calls = owner.calls();
    assert!(calls.iter().all(|call| call.generation == Some(generation(7)) && &*call.dependency == "pay"));
    assert!(calls.iter().all(|call| call.verdict == CallVerdict::Alive && call.kind == CallKind::Plain));
    assert!(calls.iter().all(|call| call.worker == Some(platform.worker_id)));
    running.stop().await;
}

#[tokio::test]
async fn without_an_owner_an_instance_trips_and_heals_by_itself_and_tells_the_owner_that_comes() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::away());
    let breaker = Policy { open: Duration::from_millis(300), open_jitter_percent: 0, ..Policy::default() };
    let running = start(&platform, &owner, Config { breakers: breaker.into(), ..Config::default() }).await;
    platform.worker.script("look", vec![Reply::Refuse(Class::Transient); 5]);
    let optional = "holdfast: v1\nname: o\nsteps:\n  - { id: s, tool: look, args: {}, importance: OPTIONAL, retry: none }\n";
    let mut reasons = Vec::new();
    for _ in 0..6 {
        let task = running.submit(optional).await;
        let missing = running.end(task).await.report.missing.remove(0);
        reasons.push(missing.failure.unwrap().reason);
    }
    let failed = Reason::DependencyUnavailable;
    assert_eq!(reasons, [failed, failed, failed, failed, failed, Reason::CircuitOpen]);
    // A call that waits is the trial; the next one closes it.
    let task = running.submit(&optional.replace(", importance: OPTIONAL", "")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    let task = running.submit(&optional.replace(", importance: OPTIONAL", "")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert!(owner.calls().is_empty());

    platform.worker.script("look", vec![Reply::Refuse(Class::Transient); 5]);
    for _ in 0..5 {
        let task = running.submit(optional).await;
        running.end(task).await;
    }
    owner.comes();
    until(async || !owner.reported().is_empty()).await;
    let (dependency, view) = owner.reported().remove(0);
    assert_eq!(dependency, "look");
    assert!(!matches!(view.position, Position::Closed), "{view:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_dead_worker_trips_no_breaker() {
    let platform = Platform::new().await;
    let owner = Arc::new(Owner::away());
    let running = start(&platform, &owner, Config::default()).await;
    platform.worker.die();
    for _ in 0..3 {
        let task = running.submit(&one(", importance: OPTIONAL, timeout: 300ms")).await;
        let failure = running.end(task).await.report.missing.remove(0).failure.unwrap();
        assert_ne!(failure.reason, Reason::CircuitOpen, "{failure}");
    }
    assert!(platform.worker.dials() >= 5, "{}", platform.worker.dials());
    running.stop().await;
}

/// A platform with `ping`, which has a trial of its own, and `pay`, which has none.
async fn with_own_trial() -> Platform {
    let mut ping = tool("ping", SideEffect::ReadOnly);
    ping.trial_by = TrialBy::Own;
    Platform::with_tools(vec![ping, tool("pay", SideEffect::Unsafe)]).await
}

#[tokio::test]
async fn a_tool_with_a_trial_of_its_own_comes_back_though_nobody_calls_it() {
    let platform = with_own_trial().await;
    let owner = Arc::new(Owner::present());
    let running = start(&platform, &owner, Config::default()).await;
    platform.worker.fail_trials(1);
    for (number, verdict) in [(2, CallVerdict::Failed { retry_after: None }), (4, CallVerdict::Alive)] {
        owner.tell("ping", number, Position::HalfOpen { left: Duration::from_secs(60) });
        owner.permit("ping", number, Duration::from_secs(5));
        let ended = |call: &holdfast_ports::CallReport| {
            call.verdict == verdict && call.generation == Some(generation(number))
        };
        until(async || owner.calls().iter().any(ended)).await;
    }
    let begun = owner.calls().iter().filter(|call| call.verdict == CallVerdict::Begun).count();
    assert_eq!((begun, platform.worker.trials()), (2, 2), "told before it begins, and made once a permit");
    assert!(owner.calls().iter().all(|call| call.kind == CallKind::Trial && &*call.dependency == "ping"));
    assert!(platform.worker.ledger().is_empty(), "nothing was called");
    // A tool without one waits for a call that is wanted.
    owner.tell("pay", 2, Position::HalfOpen { left: Duration::from_secs(60) });
    owner.permit("pay", 2, Duration::from_secs(5));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(platform.worker.trials(), 2);
    running.stop().await;
}

#[tokio::test]
async fn without_an_owner_too_a_tool_s_own_trial_heals_it_when_its_open_time_is_over() {
    let platform = with_own_trial().await;
    let owner = Arc::new(Owner::away());
    let breaker = Policy { open: Duration::from_millis(100), open_jitter_percent: 0, ..Policy::default() };
    let running = start(&platform, &owner, Config { breakers: breaker.into(), ..Config::default() }).await;
    platform.worker.script("ping", vec![Reply::Refuse(Class::Transient); 5]);
    let plan = "holdfast: v1\nname: o\nsteps:\n  - { id: s, tool: ping, args: {}, importance: OPTIONAL, retry: none }\n";
    for _ in 0..5 {
        let task = running.submit(plan).await;
        assert_eq!(running.end(task).await.outcome, TaskOutcome::Degraded);
    }
    // Two in a row close it, and no call is made for it.
    until(async || platform.worker.trials() == 2).await;
    let task = running.submit(plan).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    running.stop().await;
}

#[tokio::test]
async fn a_trial_that_could_not_be_made_says_nothing_of_the_dependency() {
    let platform = with_own_trial().await;
    let owner = Arc::new(Owner::present());
    let running = start(&platform, &owner, Config::default()).await;
    platform.worker.forget_trials();
    owner.tell("ping", 2, Position::HalfOpen { left: Duration::from_secs(60) });
    owner.permit("ping", 2, Duration::from_secs(5));
    until(async || owner.calls().len() == 2).await;
    let verdicts: Vec<_> = owner.calls().iter().map(|call| call.verdict).collect();
    assert_eq!(verdicts, [CallVerdict::Begun, CallVerdict::Nothing], "neither alive nor down");
    running.stop().await;
}
