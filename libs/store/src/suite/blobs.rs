//! Blobs: what something refers to is never collected, and nothing refers to what is not there (PROTOCOL 20).

use std::time::Duration;

use holdfast_ports::Error;
use holdfast_types::journal::{Append, Hold, Refusal};
use holdfast_types::key::KeyOp;
use holdfast_types::payload::BLOB_LIMIT;
use holdfast_types::{Payload, TaskStatus};

use super::{Fixture, driven, key, row};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub async fn content_comes_back(fixture: &Fixture) {
    for content in [Vec::new(), b"hello".to_vec(), vec![7; 3_000_000]] {
        let blob = fixture.blobs.put(content.clone(), "application/octet-stream").await.unwrap();
        assert_eq!(blob.size, content.len() as u64);
        assert_eq!(blob, fixture.blobs.put(content.clone(), "application/octet-stream").await.unwrap());
        assert_eq!(fixture.blobs.get(&blob.sha256).await.unwrap(), content);
    }
    let hello = fixture.blobs.put(b"hello".to_vec(), "text/plain").await.unwrap();
    assert_eq!(hello.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
}

pub async fn unknown_content_is_not_found(fixture: &Fixture) {
    for sha256 in ["0".repeat(64), "x".to_owned(), String::new()] {
        assert!(matches!(fixture.blobs.get(&sha256).await, Err(Error::NotFound { .. })));
    }
}

pub async fn too_much_is_refused(fixture: &Fixture) {
    let size = usize::try_from(BLOB_LIMIT).unwrap() + 1;
    let refused = fixture.blobs.put(vec![0; size], "text/plain").await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: BLOB_LIMIT, .. })));
}

fn referring(driver: &super::Driver, sha256: &str) -> Append {
    let mut append = driver.request();
    append.events[0].blobs = vec![sha256.to_owned()];
    append
}

pub async fn an_append_refers_to_stored_blobs_only(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let blob = fixture.blobs.put(b"soon gone".to_vec(), "text/plain").await.unwrap();
    // Between its put and the append the collector takes it.
    fixture.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 1);
    fixture.leases.open(driver.instance).await.unwrap();
    let claim = fixture.leases.claim_one(driver.instance, super::ids::owner(), driver.task).await.unwrap();
    driver = super::Driver::of(driver.instance, &claim.unwrap());
    let append = referring(&driver, &blob.sha256);
    let refusal = driver.refused(fixture, append.clone()).await;
    assert_eq!(refusal, Refusal::BlobMissing { sha256: blob.sha256.clone() });
    let nonsense = referring(&driver, "not a digest");
    assert!(matches!(driver.refused(fixture, nonsense).await, Refusal::BlobMissing { .. }));
    fixture.blobs.put(b"soon gone".to_vec(), "text/plain").await.unwrap();
    driver.append(fixture, append).await;
}

pub async fn only_what_nobody_refers_to_is_collected(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let used = fixture.blobs.put(b"used".to_vec(), "text/plain").await.unwrap();
    let loose = fixture.blobs.put(b"loose".to_vec(), "text/plain").await.unwrap();
    let append = referring(&driver, &used.sha256);
    driver.append(fixture, append).await;
    // Referred to twice by one task is as good as once.
    let append = referring(&driver, &used.sha256);
    driver.append(fixture, append).await;
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 0);
    fixture.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 1);
    assert!(matches!(fixture.blobs.get(&loose.sha256).await, Err(Error::NotFound { .. })));
    assert_eq!(fixture.blobs.get(&used.sha256).await.unwrap(), b"used");
    // It goes with its task.
    driver.give_back(fixture, row(TaskStatus::Finished, None)).await;
    fixture.clock.advance(DAY);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 1);
}

pub async fn a_touch_saves_from_the_collector(fixture: &Fixture) {
    let blob = fixture.blobs.put(b"again".to_vec(), "text/plain").await.unwrap();
    fixture.clock.advance(DAY);
    fixture.blobs.put(b"again".to_vec(), "text/plain").await.unwrap();
    fixture.clock.advance(Duration::from_secs(60));
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 0);
    assert!(fixture.blobs.get(&blob.sha256).await.is_ok());
}

pub async fn a_key_keeps_its_result(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let key = key("big");
    let blob = fixture.blobs.put(b"result".to_vec(), "text/plain").await.unwrap();
    let claim = driver.claim(&key);
    driver.append(fixture, claim).await;
    let append = driver.change(&key, 1, KeyOp::Done { result: Payload::Blob(blob.clone()) });
    let ended = Append { row: row(TaskStatus::Finished, None), hold: Hold::GiveBack, ..append };
    driver.append(fixture, ended).await;
    fixture.clock.advance(2 * DAY);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    // The task is gone; its key is still answered from.
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 0);
    fixture.clock.advance(7 * DAY);
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 1);
    assert_eq!(fixture.blobs.collect(100).await.unwrap(), 1);
}
