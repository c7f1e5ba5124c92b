//! Redis as the whole key table, on its own clock.

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, Durability, Error, KeyAnswer, Keys, Resolve};
use holdfast_store::suite::{ids, key};
use holdfast_store::{RedisConfig, RedisKeys};
use holdfast_testkit::{Kept, Redis};
use holdfast_types::key::{Holder, Key, KeyState};
use holdfast_types::{CallId, Class, Effect, Failure, Reason, StepId};
use tokio::time::timeout;

use super::world::{GUARD, LEASE, RETENTION, foreign, is_completed, patient, request, text};

async fn table() -> (Redis, RedisKeys) {
    let redis = Redis::start().unwrap();
    let keys = RedisKeys::open(&patient(&redis), None).await.unwrap();
    (redis, keys)
}

async fn acquire(keys: &RedisKeys, key: &Key, name: &str) -> u64 {
    match keys.begin(request(key, foreign(name))).await.unwrap() {
        BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 } => token,
        other => panic!("{other:?}"),
    }
}

fn call() -> Holder {
    Holder::Call { task: ids::task(), call: CallId::forward(StepId::try_new("charge").unwrap(), None) }
}

fn name(key: &Key) -> String {
    format!("holdfast:key:{{{}}}", key.as_str())
}

#[tokio::test]
async fn each_verb_is_one_round_trip() {
    let (redis, keys) = table().await;
    let (one, two) = (key("one"), key("two"));
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::PermissionDenied, "no");
    // The first use of a script loads it.
    for warm in [true, false] {
        let name = |key: &Key| Key::try_new(format!("{}-{warm}", key.as_str())).unwrap();
        let (one, two) = (name(&one), name(&two));
        let before = redis.calls_of("evalsha").unwrap();
        let loads = redis.calls_of("script|load").unwrap();
        let token = acquire(&keys, &one, "a").await;
        assert_eq!(keys.extend(&one, token, LEASE).await.unwrap(), KeyAnswer::Ok);
        assert_eq!(keys.complete(&one, token, text("x"), RETENTION).await.unwrap(), KeyAnswer::Ok);
        assert_eq!(keys.offer_evidence(&one, &foreign("a"), text("y")).await.unwrap(), KeyAnswer::Ok);
        assert!(keys.get(&one).await.unwrap().is_some());
        assert_eq!(keys.forget(&one).await.unwrap(), KeyAnswer::Ok);
        let token = acquire(&keys, &two, "a").await;
        assert_eq!(keys.release(&two, token).await.unwrap(), KeyAnswer::Ok);
        let token = acquire(&keys, &two, "a").await;
        assert_eq!(keys.fail_final(&two, token, failure.clone(), RETENTION).await.unwrap(), KeyAnswer::Ok);
        if !warm {
            assert_eq!(redis.calls_of("evalsha").unwrap() - before, 10);
            assert_eq!(redis.calls_of("script|load").unwrap(), loads);
        }
    }
    assert_eq!(redis.calls_of("eval").unwrap(), 0);
}

#[tokio::test]
async fn its_answers_survive_nothing_that_redis_does_not() {
    let (redis, keys) = table().await;
    assert_eq!(keys.durability(), Durability::RedisOnly);
    let key = key("flushed");
    let token = acquire(&keys, &key, "a").await;
    redis.flush().unwrap();
    // That is why it says so. Yet no zombie reaches the new holder: tokens are times.
    let next = acquire(&keys, &key, "b").await;
    assert!(next > token);
    assert_eq!(keys.release(&key, token).await.unwrap(), KeyAnswer::Fenced { current: next });
    assert_eq!(
        keys.complete(&key, token, text("late"), RETENTION).await.unwrap(),
        KeyAnswer::Fenced { current: next }
    );
}

#[tokio::test]
async fn a_waiter_is_woken_by_another_process() {
    let redis = Redis::start().unwrap();
    let hour = Duration::from_secs(3_600);
    let config = RedisConfig { poll: hour, ..patient(&redis) };
    let holder = RedisKeys::open(&config, None).await.unwrap();
    let waiter = Arc::new(RedisKeys::open(&config, None).await.unwrap());
    for (round, settled) in [(1, true), (2, false)] {
        let key = key(&format!("wait-{round}"));
        let token = acquire(&holder, &key, "a").await;
        let waits: Vec<_> = (0..20)
            .map(|_| {
                let (waiter, key) = (Arc::clone(&waiter), key.clone());
                tokio::spawn(async move { waiter.wait(&key, hour).await.unwrap() })
            })
            .collect();
        // All of them share one subscription. It is news by itself, but to nobody who came earlier.
        let channels = || redis.ask(&["PUBSUB", "CHANNELS", &format!("*wait-{round}*")]).unwrap();
        timeout(GUARD, async {
            while channels().lines().count() != 1 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        if settled {
            holder.complete(&key, token, text("paid"), RETENTION).await.unwrap();
        } else {
            holder.release(&key, token).await.unwrap();
        }
        for wait in waits {
            let row = timeout(GUARD, wait).await.unwrap().unwrap();
            assert_eq!(row.map(|row| row.state), settled.then(|| KeyState::Done { result: text("paid") }));
        }
    }
}

#[tokio::test]
async fn waiters_go_on_when_redis_comes_back() {
    let mut redis = Redis::keeping(Kept::Everything).unwrap();
    let config = RedisConfig { poll: Duration::from_millis(20), ..patient(&redis) };
    let keys = Arc::new(RedisKeys::open(&config, None).await.unwrap());
    let key = key("wait");
    let token = acquire(&keys, &key, "a").await;
    let wait = {
        let (keys, key) = (Arc::clone(&keys), key.clone());
        // A verb that Redis does not answer fails; who waits on behalf of a caller asks again.
        tokio::spawn(async move {
            loop {
                if let Ok(row) = keys.wait(&key, GUARD).await {
                    return row;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    redis.restart().unwrap();
    let answer = timeout(GUARD, async {
        loop {
            if let Ok(answer) = keys.complete(&key, token, text("paid"), RETENTION).await {
                return answer;
            }
        }
    });
    assert_eq!(answer.await.unwrap(), KeyAnswer::Ok);
    let row = timeout(GUARD, wait).await.unwrap().unwrap().unwrap();
    assert_eq!(row.state, KeyState::Done { result: text("paid") });
}

#[tokio::test]
async fn what_is_open_or_in_doubt_has_no_end_and_what_is_settled_has_its_retention() {
    let (redis, keys) = table().await;
    let key = key("ttl");
    let left = || redis.ask(&["PTTL", &name(&key)]).unwrap().parse::<i64>().unwrap();
    let token = acquire(&keys, &key, "a").await;
    assert_eq!(left(), -1);
    // Released, only its token is remembered, for a day.
    keys.release(&key, token).await.unwrap();
    assert!((1..=86_400_000).contains(&left()));
    let first = keys.begin(Begin { lease: Duration::ZERO, ..request(&key, foreign("a")) }).await.unwrap();
    assert!(matches!(first, BeginAnswer::Acquired { .. }));
    assert_eq!(left(), -1);
    let verify = Begin { resolve: Resolve::Verify, ..request(&key, foreign("b")) };
    let BeginAnswer::InDoubt { token: Some(token), .. } = keys.begin(verify).await.unwrap() else { panic!() };
    assert_eq!(left(), -1);
    // Back in doubt: no end either.
    keys.release(&key, token).await.unwrap();
    assert_eq!(left(), -1);
    let verify = Begin { resolve: Resolve::Verify, ..request(&key, foreign("b")) };
    let BeginAnswer::InDoubt { token: Some(token), .. } = keys.begin(verify).await.unwrap() else { panic!() };
    keys.complete(&key, token, text("found"), RETENTION).await.unwrap();
    assert!((3_500_000..=3_600_000).contains(&left()));
}

#[tokio::test]
async fn a_retention_that_has_passed_leaves_nothing() {
    let (_redis, keys) = table().await;
    let key = key("old");
    let token = acquire(&keys, &key, "a").await;
    keys.complete(&key, token, text("paid"), Duration::from_millis(1)).await.unwrap();
    timeout(GUARD, async { while keys.get(&key).await.unwrap().is_some() {} }).await.unwrap();
    assert_eq!(keys.release(&key, token).await.unwrap(), KeyAnswer::NotFound);
    assert!(acquire(&keys, &key, "b").await > token);
    assert_eq!(keys.prune(10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_delayed_begin_after_a_takeover_gets_nothing() {
    let (_redis, keys) = table().await;
    let (key, call) = (key("takeover"), call());
    let ask = |epoch| keys.begin(Begin { epoch, ..request(&key, call.clone()) });
    let BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 } = ask(5).await.unwrap() else {
        panic!()
    };
    // The same again is told the same.
    let again = BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 };
    assert_eq!(ask(5).await.unwrap(), again);
    let answer = ask(6).await.unwrap();
    let BeginAnswer::Acquired { token: next, takeover: true, earlier_attempts: 1 } = answer else {
        panic!("{answer:?}")
    };
    assert!(next > token);
    assert_eq!(ask(5).await.unwrap(), BeginAnswer::InProgress { holder: call.clone(), until: None });
    // Nor is it robbed by a client, whatever it asks for.
    let verify = Begin { resolve: Resolve::Verify, ..request(&key, foreign("f")) };
    assert!(matches!(keys.begin(verify).await.unwrap(), BeginAnswer::InProgress { until: None, .. }));
}

#[tokio::test]
async fn a_worker_offers_evidence_and_settles_nothing() {
    let (_redis, keys) = table().await;
    let (key, call) = (key("evidence"), call());
    keys.begin(request(&key, call.clone())).await.unwrap();
    for _ in 0..2 {
        assert_eq!(keys.offer_evidence(&key, &call, text("done")).await.unwrap(), KeyAnswer::Ok);
    }
    let (row, evidence) = keys.get(&key).await.unwrap().unwrap();
    assert_eq!((row.state, evidence.len()), (KeyState::Open, 1));
    assert_eq!((evidence[0].token, &evidence[0].result), (row.token, &text("done")));
    assert_eq!(keys.complete(&key, row.token, text("done"), RETENTION).await.unwrap(), KeyAnswer::Ok);
    assert_eq!(keys.get(&key).await.unwrap().unwrap().0.state, KeyState::Open);
    assert!(matches!(keys.forget(&key).await, Err(Error::Stale { .. })));
    // The newest are kept.
    for n in 0..20 {
        keys.offer_evidence(&key, &call, text(&format!("late {n}"))).await.unwrap();
    }
    let (_, evidence) = keys.get(&key).await.unwrap().unwrap();
    assert_eq!((evidence.len(), &evidence[15].result), (16, &text("late 19")));
}

#[tokio::test]
async fn an_operator_removes_a_key() {
    let (redis, keys) = table().await;
    let key = key("forgotten");
    let token = acquire(&keys, &key, "a").await;
    keys.complete(&key, token, text("paid"), RETENTION).await.unwrap();
    assert_eq!(keys.forget(&key).await.unwrap(), KeyAnswer::Ok);
    assert_eq!(keys.forget(&key).await.unwrap(), KeyAnswer::NotFound);
    assert_eq!(redis.ask(&["DBSIZE"]).unwrap(), "0");
    acquire(&keys, &key, "b").await;
}

#[tokio::test]
async fn a_list_passes_over_what_is_empty_and_what_is_another_tables() {
    let (redis, keys) = table().await;
    for n in 0..30 {
        let key = key(&format!("{n:02}"));
        let token = acquire(&keys, &key, "a").await;
        if n < 25 {
            keys.release(&key, token).await.unwrap();
        }
    }
    redis.ask(&["SET", "other", "1"]).unwrap();
    redis.ask(&["SET", "holdfast:key:{default/charge_card/ns/}}", "odd"]).unwrap();
    // A short answer is not the end, an empty one is.
    let mut found = Vec::new();
    while let rows = keys.list("default/charge_card/ns/2", found.last(), 3).await.unwrap()
        && !rows.is_empty()
    {
        assert!(rows.len() <= 3);
        found.extend(rows.into_iter().map(|row| row.key));
    }
    assert_eq!(found, ["25", "26", "27", "28", "29"].map(key));
}

#[tokio::test]
async fn a_redis_that_is_gone_is_not_available_and_one_that_is_back_is() {
    let mut redis = Redis::keeping(Kept::Everything).unwrap();
    let keys = RedisKeys::open(&patient(&redis), None).await.unwrap();
    let key = key("gone");
    let token = acquire(&keys, &key, "a").await;
    redis.kill().unwrap();
    let error = timeout(GUARD, keys.begin(request(&key, foreign("b")))).await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(!error.to_string().contains("ns/gone"), "no key in an error: {error}");
    redis.restart().unwrap();
    // The connection of before may be found broken once more.
    let answer = timeout(GUARD, async {
        loop {
            if let Ok(answer) = keys.complete(&key, token, text("paid"), RETENTION).await {
                return answer;
            }
        }
    });
    assert_eq!(answer.await.unwrap(), KeyAnswer::Ok);
    assert!(is_completed(&keys.begin(request(&key, foreign("b"))).await.unwrap(), "paid"));
}

#[tokio::test]
async fn one_of_a_thousand_runs() {
    let (_redis, keys) = table().await;
    let (keys, key) = (Arc::new(keys), key("busy"));
    let begins: Vec<_> = (0..1_000)
        .map(|n| {
            let (keys, begin) = (Arc::clone(&keys), request(&key, foreign(&format!("c{n}"))));
            tokio::spawn(async move { keys.begin(begin).await.unwrap() })
        })
        .collect();
    let mut acquired = 0;
    for begin in begins {
        match begin.await.unwrap() {
            BeginAnswer::Acquired { .. } => acquired += 1,
            BeginAnswer::InProgress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(acquired, 1);
}
