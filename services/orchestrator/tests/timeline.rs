//! What the journal says as a trace.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::tools::Worker;
use crate::common::{Platform, Reply, Running, all, chain, until};
use holdfast_engine::state::CallEnd;
use holdfast_orchestrator::timeline::{Fate, LifeEnd, Record, Waiting, What, whole};
use holdfast_ports::LiveWorker;
use holdfast_runtime::Ids;
use holdfast_telemetry::Coordinates;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Class, TaskId, TaskOutcome};
use serde_json::json;

/// All records of a task that has ended; each is complete, and hangs under another one.
async fn records(running: &Running, task: TaskId) -> Vec<Record> {
    let rows = running.orchestrator.history(task, all()).await.unwrap().events;
    let whole = whole(task, &rows).unwrap();
    assert_eq!(whole.under_way, []);
    let records: Vec<Record> = whole.complete.into_iter().map(|(_, record)| record).collect();
    let places: BTreeSet<&Coordinates> = records.iter().map(|record| &record.place).collect();
    assert_eq!(places.len(), records.len(), "each place once");
    for record in &records {
        assert!(record.ended.is_some_and(|ended| ended >= record.began), "{record:?}");
        assert!(
            record.place.parent().is_none_or(|parent| places.contains(&parent)),
            "{record:?} hangs nowhere"
        );
    }
    records
}

fn attempts(records: &[Record]) -> Vec<&Fate> {
    let attempts = records.iter().filter(|record| matches!(record.what, What::Attempt { .. }));
    attempts.map(|record| &record.fate).collect()
}

#[tokio::test]
async fn two_failed_attempts_mark_themselves_and_not_the_call_that_succeeded() {
    let platform = Platform::new().await;
    let refuse = || Reply::Refuse(Class::Transient);
    platform.worker.script("put", [refuse(), refuse()]);
    let running = platform.start().await;
    let task = running.submit(&chain(1, "put")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    let records = records(&running, task).await;
    let errors: Vec<bool> = attempts(&records).iter().map(|fate| fate.error().is_some()).collect();
    assert_eq!(errors, [true, true, false]);
    let others = records.iter().filter(|record| !matches!(record.what, What::Attempt { .. }));
    assert!(others.clone().all(|record| record.fate == Fate::Fine));
    assert!(others.clone().any(|record| matches!(record.what, What::Call { retries: 2, .. })));
    assert!(others.clone().any(|record| matches!(record.what, What::Finish { retries: 2, lives: 1, .. })));
    let waits = others.filter(|record| record.what == What::Wait(Waiting::Backoff));
    assert!(waits.count() <= 2, "one before each retry, unless it took no time");
    running.stop().await;
}

#[tokio::test]
async fn the_loser_of_a_hedge_is_no_error() {
    const PLAN: &str = "
holdfast: v1
name: hedged
steps:
  - { id: a, tool: look, args: { n: 1 }, hedge: { after: 20ms } }
";
    let platform = Platform::new().await;
    let other = Arc::new(Worker::default());
    let tools = Arc::clone(&other) as _;
    platform.change_workers(|workers| {
        let first = workers[0].clone();
        let info = Arc::new(WorkerInfo { id: Ids::system().worker(), ..(*first.info).clone() });
        workers.push(LiveWorker { info, tools, ..first });
    });
    platform.worker.script("look", [Reply::Hold]);
    other.script("look", [Reply::Give(json!("quick"))]);
    let running = platform.start().await;
    let task = running.submit(PLAN).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    let records = records(&running, task).await;
    let fates: BTreeSet<String> = attempts(&records).iter().map(|fate| format!("{fate:?}")).collect();
    assert_eq!(fates, BTreeSet::from(["Cancelled".to_owned(), "Fine".to_owned()]));
    assert!(records.iter().all(|record| record.fate.error().is_none()));
    assert!(records.iter().any(|record| matches!(record.what, What::Call { retries: 0, .. })));
    running.stop().await;
}

#[tokio::test]
async fn a_recorded_result_is_a_replay_without_an_attempt() {
    const PLAN: &str = "
holdfast: v1
name: once
steps:
  - { id: charge, tool: pay, key: order-7, args: {} }
";
    let platform = Platform::new().await;
    let running = platform.start().await;
    let first = running.submit(PLAN).await;
    running.end(first).await;
    let second = running.submit(PLAN).await;
    assert_eq!(running.end(second).await.report.replays, 1);
    let records = records(&running, second).await;
    assert_eq!(attempts(&records).len(), 0);
    let replayed = |record: &Record| matches!(record.what, What::Call { end: Some(CallEnd::Replayed), .. });
    assert!(records.iter().any(replayed), "{records:?}");
    running.stop().await;
}

#[tokio::test]
async fn each_life_knows_the_one_before_and_how_it_ended() {
    let platform = Platform::new().await;
    platform.worker.script("look", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(1, "look")).await;
    until(async || first.count(task, "attempt_started").await == 1).await;
    first.crash().await;
    platform.bury_former_owners().await;
    let running = platform.start().await;
    running.end(task).await;
    let lives: Vec<(Option<u64>, Option<LifeEnd>)> = records(&running, task)
        .await
        .iter()
        .filter_map(|record| match record.what {
            What::Life { before, end, .. } => Some((before, end)),
            _ => None,
        })
        .collect();
    assert_eq!(lives, [(None, Some(LifeEnd::Crash)), (Some(1), Some(LifeEnd::Finished))]);
    running.stop().await;
}
