//! Creating tasks.

use holdfast_ports::Error;
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Claimant, Created, NewTask};

use super::{Fixture, driven, ids, row, spec};

pub async fn the_same_id_and_body_is_the_same_task(fixture: &Fixture) {
    let task = spec(fixture);
    let first = fixture.journal.create(task.clone()).await.unwrap();
    assert_eq!(first, Created::New { epoch: 0, last_seq: 1 });
    let Created::Same(row) = fixture.journal.create(task.clone()).await.unwrap() else { panic!("another") };
    assert_eq!((row.id, row.status, row.last_seq), (task.id, TaskStatus::Queued, 1));
    assert_eq!(fixture.journal.load(task.id).await.unwrap().events.len(), 1);
}

pub async fn another_body_is_a_conflict(fixture: &Fixture) {
    let mut task = spec(fixture);
    fixture.journal.create(task.clone()).await.unwrap();
    task.digest = "d2".to_owned();
    assert_eq!(fixture.journal.create(task).await.unwrap(), Created::Conflict);
}

pub async fn a_full_queue_refuses(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let next = || NewTask { queue_limit: 2, ..spec(fixture) };
    assert!(matches!(fixture.journal.create(next()).await.unwrap(), Created::New { .. }));
    assert_eq!(fixture.journal.create(next()).await.unwrap(), Created::QueueFull { limit: 2 });

    driver.give_back(fixture, row(TaskStatus::Finished, None)).await;
    assert!(matches!(fixture.journal.create(next()).await.unwrap(), Created::New { .. }));
    assert_eq!(fixture.journal.create(next()).await.unwrap(), Created::QueueFull { limit: 2 });
}

pub async fn a_claimant_needs_a_session(fixture: &Fixture) {
    let mut task = spec(fixture);
    task.claimant = Some(Claimant { instance: ids::instance(), owner: ids::owner() });
    let refused = fixture.journal.create(task.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::Stale { .. }), "{refused}");
    assert!(fixture.tasks.get(task.id).await.is_err());
}

pub async fn first_events_refer_to_stored_blobs_only(fixture: &Fixture) {
    let blob = fixture.blobs.put(b"plan".to_vec(), "text/yaml").await.unwrap();
    let mut task = spec(fixture);
    task.events[0].blobs = vec!["0".repeat(64)];
    assert!(matches!(fixture.journal.create(task.clone()).await, Err(Error::NotFound { .. })));
    task.events[0].blobs = vec![blob.sha256];
    assert!(matches!(fixture.journal.create(task).await.unwrap(), Created::New { .. }));
}
