//! An operator's Forget: what Redis holds must not outlive it.

use std::time::Duration;

use holdfast_ports::{KeyAnswer, Keys};
use holdfast_store::RedisConfig;
use holdfast_store::suite::key;
use holdfast_testkit::Kept;
use holdfast_types::key::Key;
use tokio::time::timeout;

use super::world::{GUARD, World, foreign, is_completed, request};

#[tokio::test]
async fn a_forgotten_key_is_free_for_every_process() {
    let world = World::new().await;
    let (key, another) = (key("forgotten"), world.another());
    world.done(&key, "a", "paid").await;
    assert!(is_completed(&another.begin(request(&key, foreign("b"))).await.unwrap(), "paid"));
    assert_eq!(another.forget(&key).await.unwrap(), KeyAnswer::Ok);
    let token = world.acquire(&key, "c").await;
    assert_eq!(world.complete(&key, token, "again").await, KeyAnswer::Ok);
    // Nothing is let in for a while after a forgetting: what was read before it may still be on its way.
    let name = format!("holdfast:front:{{{}}}", key.as_str());
    assert_eq!(world.redis.ask(&["HKEYS", &name]).unwrap(), "closed_until");
    assert!(is_completed(&another.begin(request(&key, foreign("b"))).await.unwrap(), "again"));
    assert_eq!(world.keys.forget(&key).await.unwrap(), KeyAnswer::Ok);
    assert_eq!(world.keys.forget(&key).await.unwrap(), KeyAnswer::NotFound);
}

/// Were it forgotten in the index alone, Redis would go on to answer, and would put it back.
#[tokio::test]
async fn a_key_is_not_forgotten_where_redis_does_not_confirm() {
    let mut world = World::with(|config| RedisConfig { rest: Duration::ZERO, ..config }).await;
    let key = key("held");
    world.done(&key, "a", "paid").await;
    world.redis.kill().unwrap();
    let error = timeout(GUARD, world.keys.forget(&key)).await.unwrap().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("nothing was changed"), "{error}");
    assert!(is_completed(&world.begin(&key, "b").await, "paid"));
    world.redis.restart().unwrap();
    timeout(GUARD, async { while world.keys.forget(&key).await.is_err() {} }).await.unwrap();
    world.acquire(&key, "b").await;
}

/// A completion writes to a Redis that stands still. The key is forgotten by another process when Redis goes on, and
/// what Redis had received before does not bring it back.
#[tokio::test]
async fn what_was_on_its_way_does_not_come_back_after_a_forgetting() {
    let bounds = |config| RedisConfig { timeout: Duration::from_secs(1), rest: Duration::ZERO, ..config };
    let mut world = World::with(bounds).await;
    let (warm, key) = (key("warm"), key("late"));
    world.done(&warm, "a", "x").await;
    let token = world.acquire(&key, "a").await;
    world.redis.pause().unwrap();
    assert_eq!(world.complete(&key, token, "paid").await, KeyAnswer::Ok);
    world.redis.resume().unwrap();
    let another = world.another();
    timeout(GUARD, async { while another.forget(&key).await.is_err() {} }).await.unwrap();
    let token = world.acquire(&key, "b").await;
    assert_eq!(world.complete(&key, token, "again").await, KeyAnswer::Ok);
    assert!(is_completed(&another.begin(request(&key, foreign("c"))).await.unwrap(), "again"));
}

/// What was read long ago and comes late is not let in, though nobody has revoked anything that Redis remembers.
#[tokio::test]
async fn a_row_that_is_old_when_it_comes_is_not_let_in() {
    let bounds = |config| RedisConfig { timeout: Duration::from_secs(2), rest: Duration::ZERO, ..config };
    let mut world = World::with(bounds).await;
    let (warm, key) = (key("warm"), key("old"));
    // The scripts are known to Redis afterwards.
    world.done(&warm, "a", "x").await;
    let token = world.acquire(&key, "a").await;
    let calls = world.redis.calls_of("evalsha").unwrap();
    world.redis.pause().unwrap();
    // The row waits in the socket of a Redis that stands still, for the timeout at least: longer than it is young.
    assert_eq!(world.complete(&key, token, "paid").await, KeyAnswer::Ok);
    world.redis.resume().unwrap();
    timeout(GUARD, async { while world.redis.calls_of("evalsha").unwrap() == calls {} }).await.unwrap();
    let name = |key: &Key| format!("holdfast:front:{{{}}}", key.as_str());
    assert_eq!(world.redis.ask(&["EXISTS", &name(&key)]).unwrap(), "0");
    assert_eq!(world.redis.ask(&["EXISTS", &name(&warm)]).unwrap(), "1");
}

#[tokio::test]
async fn a_redis_with_its_data_back_answers_again() {
    let mut world = World::with(|config| RedisConfig { rest: Duration::ZERO, ..config }).await;
    world.redis = holdfast_testkit::Redis::keeping(Kept::Everything).unwrap();
    let keys = world.another();
    let key = key("kept");
    let token = world.acquire(&key, "a").await;
    keys.complete(&key, token, super::world::text("paid"), super::world::RETENTION).await.unwrap();
    world.redis.restart().unwrap();
    let calls = timeout(GUARD, async {
        loop {
            let calls = world.index.calls();
            assert!(is_completed(&keys.begin(request(&key, foreign("b"))).await.unwrap(), "paid"));
            if world.index.calls() == calls {
                return calls;
            }
        }
    });
    calls.await.unwrap();
}
