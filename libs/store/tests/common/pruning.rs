//! A store some of whose entries are past their time, and what a look at it has to say.

use std::time::Duration;

use holdfast_store::suite::{Driver, Fixture, driven, key, row};
use holdfast_store::{Oldest, Prunable, Work};
use holdfast_types::journal::{Append, Hold};
use holdfast_types::key::KeyOp;
use holdfast_types::{Payload, TaskStatus, Timestamp};

/// What goes from [`fill`]ed stores: the ended task, its key, its blob and the loose one.
pub(crate) const GOES: Prunable = Prunable { tasks: 1, keys: 1, blobs: 2 };

async fn with_settled_key(fixture: &Fixture, name: &str) -> Driver {
    let mut driver = driven(fixture).await;
    let blob = fixture.blobs.put(name.as_bytes().to_vec(), "text/plain").await.unwrap();
    let claim = driver.claim(&key(name));
    driver.append(fixture, claim).await;
    let mut done = driver.change(&key(name), 1, KeyOp::Done { result: Payload::Blob(blob.clone()) });
    done.events[0].blobs = vec![blob.sha256];
    driver.append(fixture, done).await;
    driver
}

/// Writes a task that has ended and one that lives, each with a settled key and a blob, a loose blob, and a living
/// task with an open key. Returns what is under way.
pub(crate) async fn fill(fixture: &Fixture) -> Work {
    let mut ended = with_settled_key(fixture, "of-ended").await;
    let finished = Append { row: row(TaskStatus::Finished, None), hold: Hold::GiveBack, ..ended.request() };
    ended.append(fixture, finished).await;
    fixture.blobs.put(b"loose".to_vec(), "text/plain").await.unwrap();
    let oldest = fixture.clock.now();
    with_settled_key(fixture, "of-living").await;
    fixture.clock.advance(Duration::from_secs(1));
    let mut open = driven(fixture).await;
    let claim = open.claim(&key("open"));
    open.append(fixture, claim).await;
    let oldest_key = Oldest::Since(fixture.clock.now());
    Work { unfinished: 2, oldest_task: Some(oldest), oldest_key }
}

/// Removes what may go, and counts it.
pub(crate) async fn prune(fixture: &Fixture, finished_before: Timestamp) -> Prunable {
    let tasks = fixture.tasks.prune(finished_before, 10).await.unwrap().into();
    let keys = fixture.keys.prune(10).await.unwrap().into();
    let blobs = fixture.blobs.collect(10).await.unwrap().into();
    Prunable { tasks, keys, blobs }
}
