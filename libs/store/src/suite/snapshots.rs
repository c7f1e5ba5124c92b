//! Snapshots: hints that shorten a load.

use holdfast_ports::Error;
use holdfast_types::journal::{Append, Hold, Snapshot};
use holdfast_types::{TaskOutcome, TaskStatus};

use super::claims::send;
use super::{Driver, Fixture, driven, event, ids, row};

fn snapshot(seq: u64) -> Snapshot {
    Snapshot { seq, v: 1, body: format!("{{\"seq\":{seq}}}") }
}

pub async fn a_load_begins_at_the_newest_snapshot(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let append = Append { events: vec![event("x"); 9], ..driver.request() };
    driver.append(fixture, append).await;
    for seq in [4, 8, 6] {
        fixture.journal.put_snapshot(driver.task, snapshot(seq)).await.unwrap();
    }
    let loaded = fixture.journal.load(driver.task).await.unwrap();
    assert_eq!(loaded.snapshot, Some(snapshot(8)));
    let seqs: Vec<u64> = loaded.events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [9, 10]);
    fixture.journal.put_snapshot(driver.task, snapshot(10)).await.unwrap();
    assert!(fixture.journal.load(driver.task).await.unwrap().events.is_empty());
    // The events before it are still there to be read.
    assert_eq!(fixture.journal.events(driver.task, 0, 100).await.unwrap().len(), 10);
}

pub async fn a_snapshot_of_the_future_is_refused(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let refused = fixture.journal.put_snapshot(driver.task, snapshot(2)).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })));
    let unknown = fixture.journal.put_snapshot(ids::task(), snapshot(1)).await;
    assert!(matches!(unknown, Err(Error::NotFound { .. })));
}

/// A driver whose task has a snapshot, and the append that ends it.
async fn snapshot_and_end(fixture: &Fixture) -> (Driver, Append) {
    let mut driver = driven(fixture).await;
    driver.append(fixture, driver.request()).await;
    fixture.journal.put_snapshot(driver.task, snapshot(2)).await.unwrap();
    let mut end = Append { hold: Hold::GiveBack, ..driver.request() };
    end.row.status = TaskStatus::Finished;
    end.row.outcome = Some(TaskOutcome::Succeeded);
    (driver, end)
}

pub async fn a_finished_task_keeps_no_snapshot(fixture: &Fixture) {
    let (driver, end) = snapshot_and_end(fixture).await;
    let (mut driver, neighbour) = (driver, snapshot_and_end(fixture).await.0);
    driver.append(fixture, end).await;
    let loaded = fixture.journal.load(driver.task).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (None, 3));
    // One that was under way arrives after the end.
    fixture.journal.put_snapshot(driver.task, snapshot(3)).await.unwrap();
    assert_eq!(fixture.journal.load(driver.task).await.unwrap().snapshot, None);
    assert_eq!(fixture.journal.load(neighbour.task).await.unwrap().snapshot, Some(snapshot(2)));
}

pub async fn a_task_that_is_opened_again_is_folded_from_its_events(fixture: &Fixture) {
    let (mut driver, end) = snapshot_and_end(fixture).await;
    driver.append(fixture, end).await;
    send(fixture, driver.task).await;
    let claimed = fixture.leases.claim_one(driver.instance, ids::owner(), driver.task).await.unwrap();
    let mut driver = Driver::of(driver.instance, &claimed.unwrap());
    let loaded = fixture.journal.load(driver.task).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (None, 3));
    // An undo after the end: from here on there is something to resume again.
    let undo = Append { row: row(TaskStatus::Compensating, None), ..driver.request() };
    driver.append(fixture, undo).await;
    fixture.journal.put_snapshot(driver.task, snapshot(4)).await.unwrap();
    let loaded = fixture.journal.load(driver.task).await.unwrap();
    assert_eq!((loaded.snapshot, loaded.events.len()), (Some(snapshot(4)), 0));
}
