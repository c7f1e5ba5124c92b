//! The interleavings of PROTOCOL 3, 4, 5 and 13 that concern Begin, Complete and Release with Redis before the index.

use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, Durability, KeyAnswer, Keys, Repeat};
use holdfast_store::suite::{driven, fingerprint, key};
use holdfast_types::journal::Refusal;
use holdfast_types::key::{KeyOp, KeyState};
use holdfast_types::{Class, Effect, Failure, Payload, Reason};
use tokio::time::timeout;

use super::world::{GUARD, RETENTION, World, foreign, is_completed, request, text};

#[tokio::test]
async fn a_settled_key_is_answered_without_the_index() {
    let world = World::new().await;
    assert_eq!(world.keys.durability(), Durability::Index);
    let (done, failed) = (key("done"), key("failed"));
    world.done(&done, "a", "paid").await;
    let token = world.acquire(&failed, "a").await;
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::PermissionDenied, "no");
    world.keys.fail_final(&failed, token, failure.clone(), RETENTION).await.unwrap();

    // Also where the index is out of reach, by a process that has never seen the key.
    world.index.gone.store(true, Ordering::SeqCst);
    let another = world.another();
    let calls = world.index.calls();
    let row = world.store.get(&done).await.unwrap().unwrap().0;
    assert_eq!(
        another.begin(request(&done, foreign("b"))).await.unwrap(),
        BeginAnswer::Completed { result: text("paid"), at: row.changed_at }
    );
    assert_eq!(
        another.begin(request(&failed, foreign("b"))).await.unwrap(),
        BeginAnswer::FailedFinal { failure }
    );
    let other = Begin { fingerprint: fingerprint(2), ..request(&done, foreign("b")) };
    assert_eq!(another.begin(other).await.unwrap(), BeginAnswer::Mismatch { first: fingerprint(1) });
    assert_eq!(world.index.calls(), calls);
    // What is not settled never comes from Redis.
    assert!(another.begin(request(&key("new"), foreign("b"))).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_hit_is_one_round_trip() {
    let world = World::new().await;
    let key = key("hit");
    world.done(&key, "a", "paid").await;
    assert!(is_completed(&world.begin(&key, "b").await, "paid"));
    let before = world.redis.calls_of("evalsha").unwrap();
    for _ in 0..10 {
        assert!(is_completed(&world.begin(&key, "b").await, "paid"));
    }
    assert_eq!(world.redis.calls_of("evalsha").unwrap() - before, 10);
}

/// PROTOCOL 3: T1 appends and runs, Redis is flushed, T2's append is refused by the index, and its Begin too.
#[tokio::test]
async fn flushall_between_a_tasks_run_and_the_next_begin_permits_nothing() {
    let world = World::new().await;
    let key = key("two-tasks");
    let mut first = world.claimed(&key).await;
    let second = driven(&world.fixture).await;
    let begin = |driver: &holdfast_store::suite::Driver| {
        world.keys.begin(Begin { epoch: driver.epoch, ..request(&key, driver.holder()) })
    };
    assert!(matches!(begin(&first).await.unwrap(), BeginAnswer::Acquired { takeover: false, .. }));
    world.redis.flush().unwrap();
    let refusal = second.refused(&world.fixture, second.claim(&key)).await;
    assert!(matches!(refusal, Refusal::KeyHeld(row) if row.state == KeyState::Open));
    assert_eq!(
        begin(&second).await.unwrap(),
        BeginAnswer::InProgress { holder: first.holder(), until: None }
    );
    let append = first.change(&key, 1, KeyOp::Done { result: text("paid") });
    first.append(&world.fixture, append).await;
    world.redis.flush().unwrap();
    let refusal = second.refused(&world.fixture, second.claim(&key)).await;
    assert!(matches!(refusal, Refusal::KeyHeld(row) if row.state == KeyState::Done { result: text("paid") }));
    assert!(is_completed(&begin(&second).await.unwrap(), "paid"));
}

/// PROTOCOL 3: T1's call ends NOT_EXECUTED, and its key is free for all at once: Redis holds nobody back.
#[tokio::test]
async fn a_key_that_a_task_gave_back_is_free_though_redis_was_flushed_or_not() {
    let world = World::new().await;
    for (name, flush) in [("kept", false), ("flushed", true)] {
        let key = key(name);
        let mut first = world.claimed(&key).await;
        assert!(matches!(world.begin(&key, "f").await, BeginAnswer::InProgress { .. }));
        if flush {
            world.redis.flush().unwrap();
        }
        let append = first.change(&key, 1, KeyOp::GiveBack);
        first.append(&world.fixture, append).await;
        world.acquire(&key, "f").await;
    }
}

/// PROTOCOL 3: O1's delayed Begin reaches the flushed Redis after O2, under a higher epoch, has taken the call over.
#[tokio::test]
async fn a_delayed_begin_after_a_takeover_and_flushall_gets_nothing() {
    let world = World::new().await;
    let key = key("delayed");
    let driver = world.claimed(&key).await;
    let ask = |epoch| world.keys.begin(Begin { epoch, ..request(&key, driver.holder()) });
    assert!(matches!(ask(2).await.unwrap(), BeginAnswer::Acquired { takeover: true, .. }));
    world.redis.flush().unwrap();
    assert_eq!(ask(1).await.unwrap(), BeginAnswer::InProgress { holder: driver.holder(), until: None });
}

/// PROTOCOL 4: two foreign callers, and FLUSHALL between the effect and the second one, before and after the end.
#[tokio::test]
async fn foreign_callers_after_flushall_have_one_effect() {
    let world = World::new().await;
    let key = key("foreign");
    let token = world.acquire(&key, "f1").await;
    world.redis.flush().unwrap();
    assert!(
        matches!(world.begin(&key, "f2").await, BeginAnswer::InProgress { holder, .. } if holder == foreign("f1"))
    );
    assert_eq!(world.complete(&key, token, "paid").await, KeyAnswer::Ok);
    world.redis.flush().unwrap();
    assert!(is_completed(&world.begin(&key, "f2").await, "paid"));
    // It is back, and answers alone.
    let calls = world.index.calls();
    assert!(is_completed(&world.begin(&key, "f3").await, "paid"));
    assert_eq!(world.index.calls(), calls);
}

/// PROTOCOL 8: Redis held the end that is repeated, and then nothing.
#[tokio::test]
async fn a_repeat_is_answered_alike_before_and_after_flushall() {
    let world = World::new().await;
    let key = key("repeat");
    world.done(&key, "f1", "paid").await;
    // Redis answers it alone by now.
    assert!(is_completed(&world.begin(&key, "f2").await, "paid"));
    let again = |name| {
        let repeat = Some(Repeat { generation: 1, reason: "meant so".to_owned() });
        world.keys.begin(Begin { repeat, ..request(&key, foreign(name)) })
    };
    let answer = again("f2").await.unwrap();
    let BeginAnswer::Acquired { token, .. } = answer else { panic!("{answer:?}") };
    let in_progress =
        |answer| matches!(answer, BeginAnswer::InProgress { holder, .. } if holder == foreign("f2"));
    assert!(in_progress(world.begin(&key, "f3").await));
    world.redis.flush().unwrap();
    assert!(in_progress(world.begin(&key, "f3").await) && in_progress(again("f3").await.unwrap()));
    assert_eq!(world.complete(&key, token, "paid again").await, KeyAnswer::Ok);
    assert!(is_completed(&again("f3").await.unwrap(), "paid again"));
    world.redis.flush().unwrap();
    assert!(is_completed(&again("f3").await.unwrap(), "paid again"));
    assert!(is_completed(&world.begin(&key, "f3").await, "paid again"));
}

/// PROTOCOL 4: a task and a foreign caller.
#[tokio::test]
async fn a_task_and_a_foreign_caller_after_flushall_have_one_effect() {
    let world = World::new().await;
    let key = key("mixed");
    world.done(&key, "f", "paid").await;
    world.redis.flush().unwrap();
    let driver = driven(&world.fixture).await;
    let refusal = driver.refused(&world.fixture, driver.claim(&key)).await;
    assert!(matches!(refusal, Refusal::KeyHeld(row) if row.state == KeyState::Done { result: text("paid") }));
    let begin = Begin { epoch: 1, ..request(&key, driver.holder()) };
    assert!(is_completed(&world.keys.begin(begin).await.unwrap(), "paid"));
}

/// PROTOCOL 5: a lease that ends without a word leaves doubt, and FLUSHALL takes no doubt away.
#[tokio::test]
async fn a_lease_that_ends_leaves_doubt_also_after_flushall() {
    let world = World::new().await;
    let key = key("doubt");
    let begin = Begin { lease: Duration::ZERO, ..request(&key, foreign("f1")) };
    let BeginAnswer::Acquired { token, .. } = world.keys.begin(begin).await.unwrap() else { panic!() };
    world.redis.flush().unwrap();
    let answer = world.begin(&key, "f2").await;
    assert!(
        matches!(&answer, BeginAnswer::InDoubt { holder, attempts: 1, token: None, .. } if *holder == foreign("f1")),
        "{answer:?}"
    );
    // Its holder was only slow.
    assert_eq!(world.complete(&key, token, "paid").await, KeyAnswer::Ok);
    assert!(is_completed(&world.begin(&key, "f2").await, "paid"));
}

/// PROTOCOL 5: F1 dies after the effect, F2 gets a token to verify and takes it back, F3 is not told to be the first.
#[tokio::test]
async fn a_release_erases_no_earlier_attempt_also_after_flushall() {
    let world = World::new().await;
    let key = key("three");
    let begin = Begin { lease: Duration::ZERO, ..request(&key, foreign("f1")) };
    assert!(matches!(world.keys.begin(begin).await.unwrap(), BeginAnswer::Acquired { .. }));
    let BeginAnswer::InDoubt { token: Some(token), .. } = world.verify(&key, "f2").await else { panic!() };
    world.redis.flush().unwrap();
    assert_eq!(world.keys.release(&key, token).await.unwrap(), KeyAnswer::Ok);
    assert!(matches!(world.keys.release(&key, token).await.unwrap(), KeyAnswer::Fenced { .. }));
    let answer = world.begin(&key, "f3").await;
    assert!(matches!(answer, BeginAnswer::InDoubt { attempts: 1, .. }), "{answer:?}");
}

/// PROTOCOL 5: tokens restart nowhere, so a zombie's word reaches nobody.
#[tokio::test]
async fn a_zombies_old_token_after_flushall_reaches_nobody() {
    let world = World::new().await;
    let key = key("zombie");
    let old = world.acquire(&key, "zombie").await;
    world.keys.release(&key, old).await.unwrap();
    world.redis.flush().unwrap();
    let new = world.acquire(&key, "holder").await;
    assert!(new > old);
    assert_eq!(world.keys.release(&key, old).await.unwrap(), KeyAnswer::Fenced { current: new });
    assert_eq!(world.complete(&key, old, "late").await, KeyAnswer::Fenced { current: new });
    assert_eq!(world.complete(&key, new, "paid").await, KeyAnswer::Ok);
    assert!(is_completed(&world.begin(&key, "b").await, "paid"));
    let (_, evidence) = world.keys.get(&key).await.unwrap().unwrap();
    assert_eq!((evidence.len(), evidence[0].token), (1, old));
}

/// PROTOCOL 8 and 13: an undone operation is never answered as done, at no moment of its undo, however often it was
/// asked for before, by any process.
#[tokio::test]
async fn an_undone_key_of_a_task_is_never_answered_from_redis() {
    let world = World::new().await;
    let key = key("undone");
    let another = world.another();
    let mut driver = world.claimed(&key).await;
    let append = driver.change(&key, 1, KeyOp::Done { result: text("paid") });
    driver.append(&world.fixture, append).await;
    for _ in 0..3 {
        assert!(is_completed(&world.begin(&key, "f").await, "paid"));
        assert!(is_completed(&another.begin(request(&key, foreign("g"))).await.unwrap(), "paid"));
    }
    assert_eq!(world.redis.ask(&["DBSIZE"]).unwrap(), "0", "a task's key is not put into Redis");
    let append = driver.change(&key, 1, KeyOp::Tombstone);
    driver.append(&world.fixture, append).await;
    assert_eq!(world.begin(&key, "f").await, BeginAnswer::Tombstone);
    assert_eq!(another.begin(request(&key, foreign("g"))).await.unwrap(), BeginAnswer::Tombstone);
    let append = driver.change(&key, 1, KeyOp::NextGeneration);
    driver.append(&world.fixture, append).await;
    // The next generation is free, once.
    let token = world.acquire(&key, "f").await;
    assert!(matches!(
        another.begin(request(&key, foreign("g"))).await.unwrap(),
        BeginAnswer::InProgress { .. }
    ));
    assert_eq!(world.complete(&key, token, "paid again").await, KeyAnswer::Ok);
    assert!(is_completed(&another.begin(request(&key, foreign("g"))).await.unwrap(), "paid again"));
}

/// PROTOCOL 3: where they differ the index is right, and Redis is corrected. A repeat begins the next generation of a
/// client's key without passing here.
#[tokio::test]
async fn a_later_generation_in_the_index_corrects_redis() {
    let world = World::with(|config| holdfast_store::RedisConfig { fresh: Duration::ZERO, ..config }).await;
    let key = key("repeated");
    world.done(&key, "f", "first").await;
    let mut driver = driven(&world.fixture).await;
    let append = driver.change(&key, 1, KeyOp::NextGeneration);
    driver.append(&world.fixture, append).await;
    let append = driver.change(&key, 2, KeyOp::Claim { fingerprint: fingerprint(1) });
    driver.append(&world.fixture, append).await;
    assert!(matches!(world.begin(&key, "g").await, BeginAnswer::InProgress { .. }));
    let append = driver.change(&key, 2, KeyOp::Done { result: Payload::null() });
    driver.append(&world.fixture, append).await;
    let answer = world.begin(&key, "g").await;
    assert!(
        matches!(&answer, BeginAnswer::Completed { result, .. } if *result == Payload::null()),
        "{answer:?}"
    );
}

/// PROTOCOL 13: the same Begin again, because its answer was lost, is told the same; Redis has no part in it.
#[tokio::test]
async fn a_begin_whose_answer_was_lost_is_told_the_same_again() {
    let world = World::new().await;
    let key = key("again");
    let driver = world.claimed(&key).await;
    let ask = || world.keys.begin(Begin { epoch: 1, ..request(&key, driver.holder()) });
    let first = ask().await.unwrap();
    assert!(matches!(first, BeginAnswer::Acquired { takeover: false, earlier_attempts: 0, .. }));
    world.redis.flush().unwrap();
    assert_eq!(ask().await.unwrap(), first);
}

/// A waiter at another process is woken by Redis, whatever its index tells it.
#[tokio::test]
async fn a_waiter_at_another_process_is_woken() {
    let world = World::new().await;
    let another = world.another();
    let key = key("wait");
    let token = world.acquire(&key, "a").await;
    let (row, _) = timeout(GUARD, async {
        tokio::join!(another.wait(&key, GUARD), world.complete(&key, token, "paid"))
    })
    .await
    .unwrap();
    assert_eq!(row.unwrap().unwrap().state, KeyState::Done { result: text("paid") });
}
