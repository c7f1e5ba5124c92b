//! Last good results: found by namespace, tool and arguments, the newest of each, as long as they may be asked for.

use std::time::Duration;

use holdfast_types::journal::{Append, Refusal};
use holdfast_types::last_good::{LastGood, LastGoodKey, NewLastGood};
use holdfast_types::worker::CallRef;
use holdfast_types::{CallId, Namespace, Payload, StepId, TaskStatus, ToolName};
use serde_json::json;

use super::{Driver, Fixture, driven, row};

const HOUR: Duration = Duration::from_secs(3600);

fn under(namespace: &str, tool: &str, fingerprint: &str) -> LastGoodKey {
    LastGoodKey {
        namespace: Namespace::try_new(namespace).unwrap(),
        tool: ToolName::try_new(tool).unwrap(),
        // Any SHA-256 does; the name stands at its end.
        fingerprint: format!("{:0>64}", hex::encode(fingerprint)),
    }
}

fn call() -> CallId {
    CallId::forward(StepId::try_new("weather").unwrap(), Some(2))
}

fn recording(fixture: &Fixture, driver: &Driver, key: &LastGoodKey, result: Payload) -> Append {
    let (key, at) = (key.clone(), fixture.clock.now());
    let good = NewLastGood { key, call: call(), result, at, keep_for: HOUR };
    Append { last_good: vec![good], ..driver.request() }
}

pub async fn a_result_is_found_by_its_tool_and_arguments_in_its_namespace(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let key = under("default", "forecast", "f1");
    assert_eq!(fixture.journal.last_good(&key).await.unwrap(), None);
    let at = fixture.clock.now();
    let append = recording(fixture, &driver, &key, Payload::Json(json!({"sun": true})));
    driver.append(fixture, append).await;
    let from = CallRef { task: driver.task, call: call() };
    let expected = LastGood { from, result: Payload::Json(json!({"sun": true})), at };
    assert_eq!(fixture.journal.last_good(&key).await.unwrap(), Some(expected));
    for other in [
        under("other", "forecast", "f1"),
        under("default", "tides", "f1"),
        under("default", "forecast", "f2"),
    ] {
        assert_eq!(fixture.journal.last_good(&other).await.unwrap(), None, "{other:?}");
    }
}

pub async fn the_newest_result_replaces_an_older_one(fixture: &Fixture) {
    let (mut one, mut other) = (driven(fixture).await, driven(fixture).await);
    let key = under("default", "forecast", "newest");
    let late = recording(fixture, &other, &key, Payload::Json(json!("old")));
    fixture.clock.advance(Duration::from_secs(1));
    let append = recording(fixture, &one, &key, Payload::Json(json!("new")));
    one.append(fixture, append).await;
    // What is older by its own time does not replace it, though it is written later.
    other.append(fixture, late).await;
    let found = fixture.journal.last_good(&key).await.unwrap().unwrap();
    assert_eq!((found.result, found.from.task), (Payload::Json(json!("new")), one.task));
    fixture.clock.advance(Duration::from_secs(1));
    let append = recording(fixture, &other, &key, Payload::Json(json!("newer")));
    other.append(fixture, append).await;
    let found = fixture.journal.last_good(&key).await.unwrap().unwrap();
    assert_eq!((found.result, found.from.task), (Payload::Json(json!("newer")), other.task));
}

pub async fn an_append_that_is_refused_or_repeated_records_nothing_more(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let key = under("default", "forecast", "refused");
    let append = recording(fixture, &driver, &key, Payload::Json(json!(1)));
    let stale = Append { expected_seq: 7, ..append.clone() };
    assert!(matches!(driver.refused(fixture, stale).await, Refusal::SeqMismatch { .. }));
    assert_eq!(fixture.journal.last_good(&key).await.unwrap(), None);
    driver.append(fixture, append.clone()).await;
    let changed =
        Append { last_good: recording(fixture, &driver, &key, Payload::Json(json!(2))).last_good, ..append };
    fixture.journal.append(changed).await.unwrap();
    let found = fixture.journal.last_good(&key).await.unwrap().unwrap();
    assert_eq!(found.result, Payload::Json(json!(1)));
}

pub async fn a_result_is_kept_as_long_as_anybody_may_ask_for_it(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let key = under("default", "forecast", "kept");
    let mut append = recording(fixture, &driver, &key, Payload::Json(json!(1)));
    append.last_good[0].keep_for = 5 * HOUR;
    driver.append(fixture, append).await;
    // A plan that asks for less makes nobody else's result go sooner.
    let append = recording(fixture, &driver, &key, Payload::Json(json!(2)));
    driver.append(fixture, append).await;
    // It outlives its task.
    driver.give_back(fixture, row(TaskStatus::Finished, None)).await;
    fixture.clock.advance(5 * HOUR - Duration::from_secs(1));
    fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap();
    fixture.keys.prune(100).await.unwrap();
    assert!(fixture.journal.last_good(&key).await.unwrap().is_some());
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.journal.last_good(&key).await.unwrap(), None, "its time is over before it is removed");
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 1);
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 0);
}

pub async fn a_large_result_is_kept_with_its_blob(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let key = under("default", "forecast", "large");
    let blob = fixture.blobs.put(b"[1]".to_vec(), "application/json").await.unwrap();
    let mut append = recording(fixture, &driver, &key, Payload::Blob(blob.clone()));
    append.last_good[0].keep_for = 48 * HOUR;
    driver.append(fixture, append).await;
    driver.give_back(fixture, row(TaskStatus::Finished, None)).await;
    fixture.clock.advance(25 * HOUR);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 0);
    let found = fixture.journal.last_good(&key).await.unwrap().unwrap();
    assert_eq!(found.result, Payload::Blob(blob.clone()));
    fixture.clock.advance(25 * HOUR);
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 1);
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 1);
    let mut missing = driven(fixture).await;
    let append = recording(fixture, &missing, &key, Payload::Blob(blob.clone()));
    let refusal = missing.refused(fixture, append).await;
    assert_eq!(refusal, Refusal::BlobMissing { sha256: blob.sha256 });
    missing.give_back(fixture, row(TaskStatus::Finished, None)).await;
}
