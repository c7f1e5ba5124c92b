//! Answers that are lost, leases that can't be renewed, drivers that die: no task is stuck, nothing comes twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::common::faults::{LossyJournal, LossyLeases};
use crate::common::{Platform, Reply, chain, submission, until};
use holdfast_orchestrator::{Config, Deps};
use holdfast_types::TaskOutcome;
use serde_json::json;

fn quick() -> Config {
    let ms = Duration::from_millis;
    Config { renew_every: ms(50), lease_margin: ms(200), poll_every: ms(50), ..Config::default() }
}

fn lossy(platform: &Platform) -> (Deps, Arc<LossyLeases>) {
    let leases = Arc::new(LossyLeases {
        inner: Arc::new(platform.store.clone()),
        lose_claims: AtomicU32::new(0),
        cut_off: AtomicBool::new(false),
    });
    (Deps { leases: Arc::clone(&leases) as _, ..platform.deps() }, leases)
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_asked_again_and_written_once() {
    let platform = Platform::new().await;
    let inner = Arc::clone(&platform.journal) as _;
    let journal = Arc::new(LossyJournal { lose: AtomicU32::new(3), ..LossyJournal::new(inner) });
    let deps = Deps { journal: Arc::clone(&journal) as _, ..platform.deps() };
    let running = platform.start_with(Config::default(), deps).await;
    let task = running.submit(&chain(4, "pay")).await;
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 1));
    assert_eq!(journal.lose.load(Ordering::Acquire), 0);
    assert_eq!(platform.worker.deeds(), ["s0", "s1", "s2", "s3"]);
    assert_eq!(running.count(task, "attempt_started").await, 4);
    assert_eq!(running.count(task, "attempt_ended").await, 4);
}

#[tokio::test]
async fn a_store_that_is_away_for_a_while_sets_no_task_aside() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(2, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;
    platform.bury_former_owners().await;
    let inner = Arc::clone(&platform.journal) as _;
    let lose_loads = AtomicU32::new(quick().poison_lives + 2);
    let journal = Arc::new(LossyJournal { lose_loads, ..LossyJournal::new(inner) });
    let deps = Deps { journal: Arc::clone(&journal) as _, ..platform.deps() };
    let second = platform.start_with(quick(), deps).await;
    until(async || journal.lose_loads.load(Ordering::Acquire) == 0).await;
    second.event(task, "attempt_adopted").await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.deeds(), ["s0", "s1"]);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_found_and_given_back() {
    let platform = Platform::new().await;
    let (deps, leases) = lossy(&platform);
    // Nobody runs when it is submitted, so it has to be claimed; the first claim's answer is lost.
    let idle = holdfast_orchestrator::Orchestrator::new(Config::default(), platform.deps());
    let task = idle.submit(submission(&chain(2, "pay"), json!({}))).await.unwrap().row.id;
    leases.lose_claims.store(1, Ordering::Release);
    let running = platform.start_with(quick(), deps).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(leases.lose_claims.load(Ordering::Acquire), 0);
    let started = running.event(task, "life_started").await;
    assert_eq!(started.epoch, 2, "the claim that nobody heard of was the first");
}

#[tokio::test]
async fn an_instance_that_cannot_renew_stops_before_its_lease_ends_and_comes_back() {
    let platform = Platform::with_lease(Duration::from_millis(800)).await;
    platform.worker.script("pay", [Reply::Hold]);
    let (deps, leases) = lossy(&platform);
    let running = platform.start_with(quick(), deps).await;
    let task = running.submit(&chain(2, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    leases.cut_off.store(true, Ordering::Release);
    let cut_off = tokio::time::Instant::now();
    until(async || running.orchestrator.driving() == 0).await;
    assert!(
        cut_off.elapsed() < Duration::from_millis(800),
        "it drove past its lease: {:?}",
        cut_off.elapsed()
    );
    assert!(platform.worker.cancels().is_empty(), "the call is left to whoever takes the task over");
    leases.cut_off.store(false, Ordering::Release);
    running.event(task, "attempt_adopted").await;
    platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 2));
    assert_eq!(platform.worker.deeds(), ["s0", "s1"]);
}

#[tokio::test]
async fn a_driver_that_dies_leaves_its_task_to_the_next() {
    let platform = Platform::new().await;
    platform.worker.script("put", [Reply::Panic]);
    let running = platform.start_with(quick(), platform.deps()).await;
    let task = running.submit(&chain(2, "put")).await;
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 2));
    assert_eq!(platform.worker.deeds(), ["s0", "s1"]);
}

#[tokio::test]
async fn a_task_whose_driver_always_dies_is_set_aside() {
    let platform = Platform::new().await;
    platform.worker.script("put", std::iter::repeat_n(Reply::Panic, 20));
    let running = platform.start_with(quick(), platform.deps()).await;
    let task = running.submit(&chain(2, "put")).await;
    running.event(task, "quarantined").await;
    until(async || running.orchestrator.driving() == 0).await;
    assert_eq!(running.count(task, "life_started").await, 3);
}
