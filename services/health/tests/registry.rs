//! Registrations under virtual time.

use std::time::Duration;

use crate::common::{health, worker};
use holdfast_health::Error;
use holdfast_ports::Directory;
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_registration_counts_when_it_returns_and_not_without_a_call_back() {
    let (health, answers, _) = health();
    let before = Instant::now();
    health.register(worker(1, &["charge"])).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(health.view().workers.len(), 1);
    assert_eq!(answers.count(), 1);

    answers.refused();
    let refused = health.register(worker(2, &["charge"])).await.unwrap_err();
    assert!(matches!(refused, Error::NotReached { .. }), "{refused}");
    answers.never();
    assert!(health.register(worker(3, &["charge"])).await.is_err());
    assert_eq!(health.view().workers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_hear_of_a_new_worker_at_once() {
    let (health, _, _) = health();
    let version = health.view().version;
    let waiter = tokio::spawn({
        let health = health.clone();
        async move { health.changed(version).await }
    });
    health.register(worker(1, &["charge"])).await.unwrap();
    let view = waiter.await.unwrap();
    assert!(view.version > version);
    assert_eq!(view.workers[0].info.address, "127.0.0.1:7001");
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_called_back_each_third_of_the_lease_and_its_proof_is_kept() {
    let (health, answers, clock) = health();
    let _held = health.host(worker(1, &["charge"])).await.unwrap();
    let version = health.view().version;
    let first = health.view().workers[0].proven_at;
    clock.advance(Duration::from_secs(30));
    sleep(Duration::from_millis(10_100)).await;
    assert_eq!(answers.count(), 4);
    let view = health.view();
    assert_eq!(view.version, version, "a proof is no change");
    assert_eq!(view.workers[0].proven_at, first.after(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_renews_stays_and_one_that_does_not_is_gone_with_its_lease() {
    let (health, _, _) = health();
    for _ in 0..6 {
        health.register(worker(1, &["charge"])).await.unwrap();
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(health.view().workers.len(), 1);
    let version = health.view().version;
    let ended = Instant::now();
    let view = health.changed(version).await;
    assert!(view.workers.is_empty());
    assert!(ended.elapsed() <= Duration::from_secs(5), "{:?}", ended.elapsed());
}

#[tokio::test(start_paused = true)]
async fn three_missed_calls_back_end_a_life_soon_after_a_failed_dial_and_an_answer_begins_it_again() {
    let (health, answers, _) = health();
    let info = worker(1, &["charge"]);
    let _held = health.host(info.clone()).await.unwrap();
    let version = health.view().version;
    answers.refused();
    let reported = Instant::now();
    health.report_failed_dial(info.id).await.unwrap();
    let view = health.changed(version).await;
    assert!(view.workers.is_empty());
    assert!(reported.elapsed() < Duration::from_secs(1), "{:?}", reported.elapsed());
    answers.well();
    let view = health.changed(view.version).await;
    assert_eq!(view.workers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_failed_dial_of_a_healthy_worker_changes_nothing() {
    let (health, answers, _) = health();
    let info = worker(1, &["charge"]);
    let _held = health.host(info.clone()).await.unwrap();
    let version = health.view().version;
    health.report_failed_dial(info.id).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!((answers.count(), health.view().version), (2, version));
}

#[tokio::test(start_paused = true)]
async fn a_hung_executor_is_found_out_and_a_full_queue_is_not_taken_for_death() {
    let (health, answers, _) = health();
    let _held = health.host(worker(1, &["charge"])).await.unwrap();
    answers.busy();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(health.view().workers.len(), 1);
    answers.never();
    sleep(Duration::from_secs(14)).await;
    assert!(health.view().workers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_registration_and_a_goodbye_are_immediate() {
    let (health, _, _) = health();
    let held = health.host(worker(1, &["charge"])).await.unwrap();
    drop(held);
    assert!(health.view().workers.is_empty());
    let info = worker(2, &["charge"]);
    health.register(info.clone()).await.unwrap();
    health.leave(info.id);
    assert!(health.view().workers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restarted_worker_replaces_its_earlier_incarnation() {
    let (health, _, _) = health();
    health.register(worker(1, &["charge"])).await.unwrap();
    let mut next = worker(2, &["charge"]);
    next.address = worker(1, &[]).address;
    health.register(next.clone()).await.unwrap();
    let view = health.view();
    assert_eq!(view.workers.len(), 1);
    assert_eq!(view.workers[0].info.id, next.id);
    // The old lease's end takes nothing away.
    advance(Duration::from_secs(4)).await;
    health.register(next.clone()).await.unwrap();
    sleep(Duration::from_secs(7)).await;
    assert_eq!(health.view().workers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_says_something_else_of_itself_is_called_back_again() {
    let (health, answers, _) = health();
    health.register(worker(1, &["charge"])).await.unwrap();
    health.register(worker(1, &["charge", "refund"])).await.unwrap();
    assert_eq!(health.view().workers[0].info.tools.len(), 2);
    assert_eq!(answers.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_is_refused_before_anybody_is_called() {
    let (health, answers, _) = health();
    assert!(matches!(
        health.register(worker(1, &["charge", "charge"])).await.unwrap_err(),
        Error::SameTool { .. }
    ));
    for address in ["", "localhost", ":80", "host:0", "host:99999"] {
        let bad = holdfast_types::worker::WorkerInfo { address: address.into(), ..worker(1, &["charge"]) };
        assert!(matches!(health.register(bad).await.unwrap_err(), Error::Address { .. }), "{address}");
    }
    assert_eq!(answers.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_service_ends_all_registrations() {
    let (health, _, _) = health();
    let _held = health.host(worker(1, &["charge"])).await.unwrap();
    health.run(std::future::ready(())).await;
    assert!(health.view().workers.is_empty());
}
