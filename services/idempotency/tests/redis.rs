//! Replicas of the service that share a Redis: before a store, and without one.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Client, Replica, begin, complete, json, waiting};
use futures::stream::{FuturesUnordered, StreamExt};
use holdfast_ports::Keys;
use holdfast_proto::v1;
use holdfast_proto::v1::begin_answer::Answer;
use holdfast_store::{FrontedKeys, Fsync, RedisConfig, RedisKeys, SqliteConfig, SqliteStore};
use holdfast_testkit::{Kept, Redis};
use holdfast_types::Timestamp;
use tokio::time::timeout;

const GUARD: Duration = Duration::from_secs(60);
const KEY: &str = "shop/charge/ns/1";

fn config(redis: &Redis) -> RedisConfig {
    RedisConfig { timeout: Duration::from_secs(10), rest: Duration::ZERO, ..RedisConfig::new(redis.url()) }
}

/// Two replicas with Redis before one store.
async fn fronted(redis: &Redis) -> (Vec<Replica>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("test.db")) };
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let store = SqliteStore::open(settings, Arc::new(move || now)).await.unwrap();
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let keys = FrontedKeys::new(Arc::new(store.clone()), &config(redis), Some(Arc::new(move || now)));
        replicas.push(Replica::new(Arc::new(keys.unwrap())).await);
    }
    (replicas, folder)
}

/// Two replicas on Redis alone.
async fn alone(redis: &Redis) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let keys: Arc<dyn Keys> = Arc::new(RedisKeys::open(&config(redis), None).await.unwrap());
        replicas.push(Replica::new(keys).await);
    }
    replicas
}

async fn ask(client: &Client, request: v1::BeginRequest) -> (v1::Durability, Answer) {
    let response = timeout(GUARD, client.clone().begin(request)).await.unwrap().unwrap().into_inner();
    (response.durability(), response.answer.unwrap().answer.unwrap())
}

fn token(answer: &Answer) -> u64 {
    let Answer::Acquired(acquired) = answer else { panic!("{answer:?}") };
    acquired.token
}

/// Waits until so many channels of Redis have a listener: then the waiters wait.
async fn listened(redis: &Redis, channels: usize) {
    let heard = || redis.ask(&["PUBSUB", "CHANNELS"]).unwrap().lines().count();
    let waits = async {
        while heard() < channels {
            tokio::task::yield_now().await;
        }
    };
    timeout(GUARD, waits).await.unwrap();
}

async fn one_runs_and_all_others_are_answered(replicas: &[Replica], durability: v1::Durability) {
    let mut calls: FuturesUnordered<_> = (0..100)
        .map(|number| ask(&replicas[number % 2].client, waiting(KEY, &format!("client-{number}"))))
        .collect();
    let (said, first) = calls.next().await.unwrap();
    assert_eq!(said, durability);
    let done = complete(KEY, token(&first), r#"{"n":1}"#);
    let done = replicas[0].client.clone().complete(done).await.unwrap().into_inner();
    assert_eq!((done.durability(), done.recorded()), (durability, v1::complete_response::Recorded::Result));
    let mut answered = 0;
    while let Some((said, answer)) = calls.next().await {
        let Answer::Completed(done) = answer else { panic!("{answer:?}") };
        assert_eq!((done.result, said), (json(r#"{"n":1}"#), durability));
        answered += 1;
    }
    assert_eq!(answered, 99);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_callers_at_two_replicas_one_runs_and_the_others_get_its_result() {
    let redis = Redis::start().unwrap();
    let (replicas, _folder) = fronted(&redis).await;
    one_runs_and_all_others_are_answered(&replicas, v1::Durability::Index).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_a_store_says_so_in_every_answer() {
    let redis = Redis::start().unwrap();
    let replicas = alone(&redis).await;
    one_runs_and_all_others_are_answered(&replicas, v1::Durability::RedisOnly).await;
    let request = v1::IdempotencyServiceGetRequest { key: KEY.into(), wait: None };
    let got = replicas[1].client.clone().get(request).await.unwrap().into_inner();
    assert_eq!(got.durability(), v1::Durability::RedisOnly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_keeps_its_place_while_redis_is_gone_for_a_while() {
    let mut redis = Redis::keeping(Kept::Everything).unwrap();
    let replicas = alone(&redis).await;
    let (_, first) = ask(&replicas[0].client, begin(KEY, "one")).await;
    let waiter = {
        let client = replicas[1].client.clone();
        tokio::spawn(async move { ask(&client, waiting(KEY, "two")).await })
    };
    listened(&redis, 1).await;
    redis.restart().unwrap();
    // The holder's connection broke too: it asks again.
    let done = async {
        while replicas[0].client.clone().complete(complete(KEY, token(&first), "1")).await.is_err() {}
    };
    timeout(GUARD, done).await.unwrap();
    let (_, answer) = timeout(GUARD, waiter).await.unwrap().unwrap();
    assert!(matches!(answer, Answer::Completed(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiters_are_answered_by_the_index_when_redis_is_killed() {
    let mut redis = Redis::start().unwrap();
    let (replicas, _folder) = fronted(&redis).await;
    let (_, first) = ask(&replicas[0].client, begin(KEY, "one")).await;
    let waiter = {
        let client = replicas[1].client.clone();
        tokio::spawn(async move { ask(&client, waiting(KEY, "two")).await })
    };
    listened(&redis, 1).await;
    redis.kill().unwrap();
    let done = complete(KEY, token(&first), "1");
    assert_eq!(
        replicas[0].client.clone().complete(done).await.unwrap().into_inner().durability(),
        v1::Durability::Index
    );
    let (said, answer) = timeout(GUARD, waiter).await.unwrap().unwrap();
    assert!(matches!(answer, Answer::Completed(_)), "{answer:?}");
    assert_eq!(said, v1::Durability::Index);
}
