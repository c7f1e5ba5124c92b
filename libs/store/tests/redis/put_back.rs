//! PROTOCOL 17: what a failover of the index has lost and Redis still holds is put back, never ignored.
//!
//! The failover is real: the database is copied at one moment, the operation goes on, and then the copy is opened in
//! its place, as a standby that lagged behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, KeyAnswer, Keys};
use holdfast_store::suite::{Fixture, ManualClock, driven, key};
use holdfast_store::{FrontedKeys, RedisConfig, SqliteStore};
use holdfast_types::key::KeyState;
use holdfast_types::{Class, Effect, Failure, Reason};

use super::world::{RETENTION, Watched, World, foreign, is_completed, open, patient, request, text};

/// Copies a store that stands still.
fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// The store as it was when it was copied, behind the Redis that went on.
async fn fail_over(world: &World, standby: &Path, fresh: Duration) -> (SqliteStore, FrontedKeys) {
    let store = open(standby).await;
    let config = RedisConfig { fresh, ..patient(&world.redis) };
    let index = Arc::new(Watched::over(store.clone()));
    (store, FrontedKeys::new(index, &config, None).unwrap())
}

/// Rows in Redis are never fresh: each is asked for in the index.
async fn stale() -> World {
    World::with(|config| RedisConfig { fresh: Duration::ZERO, ..config }).await
}

#[tokio::test]
async fn a_row_that_the_index_has_lost_is_put_back() {
    let world = stale().await;
    let standby = tempfile::tempdir().unwrap();
    copy(world.folder.path(), standby.path());
    let key = key("lost");
    world.done(&key, "f1", "paid").await;
    let (store, keys) = fail_over(&world, standby.path(), Duration::ZERO).await;
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(is_completed(&keys.begin(request(&key, foreign("f2"))).await.unwrap(), "paid"));
    let row = store.get(&key).await.unwrap().unwrap().0;
    assert_eq!((row.state, row.holder), (KeyState::Done { result: text("paid") }, foreign("f1")));
    let left = row.keep_until.unwrap().since(row.changed_at);
    assert!(left <= RETENTION && left > RETENTION / 2, "{left:?}");
    // From now on the index holds tasks back too.
    let fixture = Fixture::new(store, ManualClock::default(), ());
    let driver = driven(&fixture).await;
    driver.refused(&fixture, driver.claim(&key)).await;
}

#[tokio::test]
async fn an_end_that_the_index_has_lost_is_put_back_on_its_claim() {
    let world = stale().await;
    let standby = tempfile::tempdir().unwrap();
    let (done, failed) = (key("done"), key("failed"));
    let begin = |key| Begin { lease: Duration::ZERO, ..request(key, foreign("f1")) };
    let BeginAnswer::Acquired { token: first, .. } = world.keys.begin(begin(&done)).await.unwrap() else {
        panic!()
    };
    let BeginAnswer::Acquired { token: second, .. } = world.keys.begin(begin(&failed)).await.unwrap() else {
        panic!()
    };
    copy(world.folder.path(), standby.path());
    world.complete(&done, first, "paid").await;
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::PermissionDenied, "no");
    world.keys.fail_final(&failed, second, failure.clone(), RETENTION).await.unwrap();
    let (store, keys) = fail_over(&world, standby.path(), Duration::ZERO).await;
    assert_eq!(store.get(&done).await.unwrap().unwrap().0.state, KeyState::InDoubt);
    assert!(is_completed(&keys.begin(request(&done, foreign("f2"))).await.unwrap(), "paid"));
    assert_eq!(
        keys.begin(request(&failed, foreign("f2"))).await.unwrap(),
        BeginAnswer::FailedFinal { failure: failure.clone() }
    );
    assert_eq!(store.get(&done).await.unwrap().unwrap().0.state, KeyState::Done { result: text("paid") });
    assert_eq!(store.get(&failed).await.unwrap().unwrap().0.state, KeyState::FailedFinal { failure });
}

/// Another one has claimed the key in the index that had lost it: it is told before it runs.
#[tokio::test]
async fn a_task_that_claimed_a_lost_key_is_told_that_it_ran() {
    let world = stale().await;
    let standby = tempfile::tempdir().unwrap();
    copy(world.folder.path(), standby.path());
    let key = key("claimed");
    world.done(&key, "f1", "paid").await;
    let (store, keys) = fail_over(&world, standby.path(), Duration::ZERO).await;
    let fixture = Fixture::new(store, ManualClock::default(), ());
    let mut driver = driven(&fixture).await;
    let claim = driver.claim(&key);
    driver.append(&fixture, claim).await;
    for _ in 0..2 {
        let begin = Begin { epoch: 1, ..request(&key, driver.holder()) };
        assert!(is_completed(&keys.begin(begin).await.unwrap(), "paid"));
    }
}

#[tokio::test]
async fn a_fresh_row_answers_also_when_the_index_has_lost_it() {
    let world = World::new().await;
    let standby = tempfile::tempdir().unwrap();
    copy(world.folder.path(), standby.path());
    let key = key("fresh");
    world.done(&key, "f1", "paid").await;
    let (_store, keys) = fail_over(&world, standby.path(), Duration::from_secs(60)).await;
    assert!(is_completed(&keys.begin(request(&key, foreign("f2"))).await.unwrap(), "paid"));
}

/// Nobody puts back what its retention has ended.
#[tokio::test]
async fn a_row_whose_retention_has_passed_is_not_put_back() {
    let world = stale().await;
    let key = key("passed");
    let token = world.acquire(&key, "f1").await;
    let retention = Duration::from_millis(1);
    assert_eq!(world.keys.complete(&key, token, text("paid"), retention).await.unwrap(), KeyAnswer::Ok);
    tokio::time::timeout(super::world::GUARD, async {
        while !matches!(world.begin(&key, "f2").await, BeginAnswer::Acquired { .. }) {}
    })
    .await
    .unwrap();
}
