//! What the loss of Redis costs: latency, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_ports::{BeginAnswer, KeyAnswer, Keys};
use holdfast_store::RedisConfig;
use holdfast_store::suite::key;
use tokio::time::{Instant, timeout};

use super::world::{GUARD, RETENTION, World, foreign, is_completed, request, text};

#[tokio::test]
async fn calls_go_on_when_redis_is_killed_in_the_middle_of_them() {
    let mut world = World::with(|config| RedisConfig { rest: Duration::ZERO, ..config }).await;
    let (open, done) = (key("open"), key("done"));
    let token = world.acquire(&open, "a").await;
    world.done(&done, "a", "paid").await;
    world.redis.kill().unwrap();
    timeout(GUARD, async {
        assert!(matches!(world.begin(&open, "b").await, BeginAnswer::InProgress { .. }));
        assert_eq!(world.complete(&open, token, "sent").await, KeyAnswer::Ok);
        assert!(is_completed(&world.begin(&open, "b").await, "sent"));
        assert!(is_completed(&world.begin(&done, "b").await, "paid"));
        let token = world.acquire(&key("new"), "a").await;
        assert_eq!(world.keys.release(&key("new"), token).await.unwrap(), KeyAnswer::Ok);
    })
    .await
    .unwrap();
    // It is back and empty, and serves again.
    world.redis.restart().unwrap();
    timeout(GUARD, async {
        loop {
            assert!(is_completed(&world.begin(&open, "b").await, "sent"));
            if world.redis.ask(&["DBSIZE"]).unwrap() != "0" {
                break;
            }
        }
    })
    .await
    .unwrap();
    let calls = world.index.calls();
    assert!(is_completed(&world.begin(&open, "b").await, "sent"));
    assert_eq!(world.index.calls(), calls);
}

#[tokio::test]
async fn a_redis_that_never_was_there_is_not_missed() {
    let mut world = World::new().await;
    world.redis.kill().unwrap();
    let key = key("k");
    world.done(&key, "a", "paid").await;
    assert!(is_completed(&world.begin(&key, "b").await, "paid"));
    let row = timeout(GUARD, world.keys.wait(&key, GUARD)).await.unwrap().unwrap();
    assert!(row.is_some());
}

/// A Redis that stands still costs one wait, not one a call: a hundred of them would take minutes.
#[tokio::test]
async fn a_redis_that_stands_still_costs_one_wait() {
    let bounds =
        |config| RedisConfig { timeout: Duration::from_secs(2), rest: Duration::from_secs(3_600), ..config };
    let mut world = World::with(bounds).await;
    world.done(&key("warm"), "a", "paid").await;
    world.redis.pause().unwrap();
    let began = Instant::now();
    for n in 0..100 {
        let key = key(&n.to_string());
        world.done(&key, "a", "paid").await;
        assert!(is_completed(&world.begin(&key, "b").await, "paid"));
    }
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert!(is_completed(&world.begin(&key("warm"), "b").await, "paid"));
    world.redis.resume().unwrap();
}

#[tokio::test]
async fn a_redis_that_goes_on_after_a_pause_is_used_again() {
    let bounds = |config| RedisConfig { timeout: Duration::from_millis(100), rest: Duration::ZERO, ..config };
    let mut world = World::with(bounds).await;
    let key = key("k");
    world.redis.pause().unwrap();
    world.done(&key, "a", "paid").await;
    world.redis.resume().unwrap();
    timeout(GUARD, async {
        loop {
            let calls = world.index.calls();
            assert!(is_completed(&world.begin(&key, "b").await, "paid"));
            if world.index.calls() == calls {
                break;
            }
        }
    })
    .await
    .unwrap();
}

/// A thousand callers of one key, while Redis is restarted empty: one runs, and then all have its result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_have_one_execution_though_redis_is_restarted_empty() {
    let mut world = World::with(|config| RedisConfig { rest: Duration::ZERO, ..config }).await;
    let key = key("busy");
    let ask = |from: usize, to: usize| -> Vec<_> {
        (from..to)
            .map(|n| {
                let (keys, begin) = (Arc::clone(&world.keys), request(&key, foreign(&format!("c{n}"))));
                tokio::spawn(async move { keys.begin(begin).await.unwrap() })
            })
            .collect()
    };
    let mut begins = ask(0, 500);
    begins.extend({
        let later = ask(500, 1_000);
        world.redis.restart_empty().unwrap();
        later
    });
    let mut token = None;
    for begin in begins {
        match timeout(GUARD, begin).await.unwrap().unwrap() {
            BeginAnswer::Acquired { token: given, .. } => assert_eq!(token.replace(given), None, "two run"),
            BeginAnswer::InProgress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.complete(&key, token.unwrap(), "paid").await, KeyAnswer::Ok);
    let begins: Vec<_> = (0..1_000)
        .map(|n| {
            let (keys, begin) = (Arc::clone(&world.keys), request(&key, foreign(&format!("c{n}"))));
            tokio::spawn(async move { keys.begin(begin).await.unwrap() })
        })
        .collect();
    world.redis.restart_empty().unwrap();
    for begin in begins {
        assert!(is_completed(&timeout(GUARD, begin).await.unwrap().unwrap(), "paid"));
    }
}

/// Whatever befalls Redis meanwhile, each operation has one effect, and each caller its result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_has_one_effect_while_redis_is_flushed_killed_and_paused() {
    const KEYS: usize = 100;
    const CALLERS: usize = 5;
    let bounds = |config| RedisConfig { timeout: Duration::from_millis(50), rest: Duration::ZERO, ..config };
    let mut world = World::with(bounds).await;
    let effects: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(0)).collect());
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (keys, effects) = (Arc::clone(&world.keys), Arc::clone(&effects));
            tokio::spawn(async move {
                for (n, effect) in effects.iter().enumerate() {
                    let key = key(&n.to_string());
                    let begin = request(&key, foreign(&format!("c{caller}")));
                    loop {
                        match keys.begin(begin.clone()).await.unwrap() {
                            BeginAnswer::Acquired { token, .. } => {
                                effect.fetch_add(1, Ordering::SeqCst);
                                let done = keys.complete(&key, token, text("paid"), RETENTION).await;
                                assert_eq!(done.unwrap(), KeyAnswer::Ok);
                            }
                            BeginAnswer::InProgress { .. } => {
                                keys.wait(&key, GUARD).await.unwrap();
                            }
                            answer => break assert!(is_completed(&answer, "paid"), "{answer:?}"),
                        }
                    }
                }
            })
        })
        .collect();
    let mut round = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        match round % 4 {
            0 => world.redis.flush().unwrap(),
            1 => world.redis.restart_empty().unwrap(),
            2 => world.redis.pause().unwrap(),
            _ => world.redis.resume().unwrap(),
        }
        round += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for caller in callers {
        timeout(GUARD, caller).await.unwrap().unwrap();
    }
    assert!(round > 4, "it was over before much befell Redis: {round}");
    let effects: Vec<_> = effects.iter().map(|effect| effect.load(Ordering::SeqCst)).collect();
    assert_eq!(effects, [1; KEYS]);
}
