//! Snapshots: hints that shorten a load.

use holdfast_ports::Error;
use holdfast_types::journal::{Append, Snapshot};

use super::{Fixture, driven, event, ids};

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
