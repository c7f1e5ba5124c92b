//! Checkpoints of agents that Holdfast does not run.

use holdfast_ports::{Checkpoint, CheckpointId, Error, PendingWrite};
use holdfast_types::{Namespace, Payload};
use serde_json::json;

use super::Fixture;

fn id(id: &str) -> CheckpointId {
    CheckpointId { namespace: Namespace::default(), thread: "t1".to_owned(), id: id.to_owned() }
}

fn checkpoint(fixture: &Fixture, name: &str) -> Checkpoint {
    Checkpoint {
        id: id(name),
        parent: None,
        at: fixture.clock.now(),
        content: Payload::Json(json!({ "state": name })),
        metadata: json!({ "step": 1 }),
    }
}

fn write(position: u32, value: &str) -> PendingWrite {
    PendingWrite {
        writer: "node".to_owned(),
        position,
        channel: "out".to_owned(),
        value: Payload::Json(json!(value)),
    }
}

async fn put(fixture: &Fixture, names: &[&str]) {
    for name in names {
        fixture.checkpoints.put(checkpoint(fixture, name)).await.unwrap();
    }
}

pub async fn the_newest_comes_back_with_its_writes(fixture: &Fixture) {
    put(fixture, &["001", "003", "002"]).await;
    let writes = vec![write(0, "a"), write(1, "b")];
    fixture.checkpoints.put_writes(&id("003"), writes.clone()).await.unwrap();
    fixture.checkpoints.put_writes(&id("003"), vec![write(1, "other"), write(2, "c")]).await.unwrap();
    let namespace = Namespace::default();
    let (newest, found) = fixture.checkpoints.get(&namespace, "t1", None).await.unwrap().unwrap();
    assert_eq!(newest, checkpoint(fixture, "003"));
    assert_eq!(found, [writes, vec![write(2, "c")]].concat());
    let (first, none) = fixture.checkpoints.get(&namespace, "t1", Some("001")).await.unwrap().unwrap();
    assert_eq!((first.id.id.as_str(), none.len()), ("001", 0));
    assert_eq!(fixture.checkpoints.get(&namespace, "t2", None).await.unwrap(), None);
    let lost = fixture.checkpoints.put_writes(&id("009"), vec![write(0, "a")]).await;
    assert!(matches!(lost, Err(Error::NotFound { .. })));
}

pub async fn the_same_checkpoint_again_is_success(fixture: &Fixture) {
    put(fixture, &["001", "001"]).await;
    let other = Checkpoint { content: Payload::null(), ..checkpoint(fixture, "001") };
    assert!(matches!(fixture.checkpoints.put(other).await, Err(Error::Stale { .. })));
}

pub async fn a_list_goes_backwards(fixture: &Fixture) {
    put(fixture, &["001", "002", "003", "004"]).await;
    let list = async |before: Option<&str>, limit| -> Vec<String> {
        let found = fixture.checkpoints.list(&Namespace::default(), "t1", before, limit).await.unwrap();
        found.into_iter().map(|checkpoint| checkpoint.id.id).collect()
    };
    assert_eq!(list(None, 2).await, ["004", "003"]);
    assert_eq!(list(Some("003"), 9).await, ["002", "001"]);
}

pub async fn a_thread_is_copied(fixture: &Fixture) {
    put(fixture, &["001", "002", "003"]).await;
    fixture.checkpoints.put_writes(&id("002"), vec![write(0, "a")]).await.unwrap();
    let namespace = Namespace::default();
    assert_eq!(fixture.checkpoints.copy(&namespace, "t1", "t2", Some("002")).await.unwrap(), 2);
    let (newest, writes) = fixture.checkpoints.get(&namespace, "t2", None).await.unwrap().unwrap();
    assert_eq!((newest.id.id.as_str(), writes.len()), ("002", 1));
    let again = fixture.checkpoints.copy(&namespace, "t1", "t2", None).await;
    assert!(matches!(again, Err(Error::Stale { .. })));
    assert_eq!(fixture.checkpoints.copy(&namespace, "t1", "t3", None).await.unwrap(), 3);
}

pub async fn old_checkpoints_are_pruned(fixture: &Fixture) {
    put(fixture, &["001", "002", "003"]).await;
    fixture.checkpoints.put_writes(&id("001"), vec![write(0, "a")]).await.unwrap();
    assert_eq!(fixture.checkpoints.prune(&Namespace::default(), "t1", 1).await.unwrap(), 2);
    let left = fixture.checkpoints.list(&Namespace::default(), "t1", None, 9).await.unwrap();
    assert_eq!(left, [checkpoint(fixture, "003")]);
}
