//! A server that is killed in the middle of heavy appends: what was answered is there, each append once, and the
//! store is at work again as soon as the server is. And one that is frozen: nobody waits for it for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use holdfast_ports::{Blobs, Error, Journal, Keys, Tasks};
use holdfast_store::suite::{Driver, Fixture, ManualClock, driven, event, key};
use holdfast_store::{OnLoss, PostgresConfig};
use holdfast_testkit::{Flush, Postgres};
use holdfast_types::Payload;
use holdfast_types::journal::{Append, Appended, TaskFilter};
use holdfast_types::key::KeyOp;

use crate::open;

const TASKS: usize = 8;
const KILLS: u64 = 2;
/// Every task appends so often.
const APPENDS: u64 = 80;

/// Appends two events and a key that says so: all of it, or nothing. Sends an append again until it is answered.
async fn append_until_done(fixture: Arc<Fixture>, mut driver: Driver, answered: Arc<AtomicU64>) -> Driver {
    for _ in 0..APPENDS {
        let key = key(&format!("{}-{}", driver.task, driver.seq + 2));
        let change = driver.change(&key, 1, KeyOp::Done { result: Payload::null() });
        let append = Append { events: vec![event("a"), event("b")], ..change };
        loop {
            match fixture.journal.append(append.clone()).await {
                Ok(answer) => {
                    assert_eq!(answer, Appended::at(driver.seq + 2));
                    break;
                }
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        driver.seq += 2;
        answered.fetch_add(1, Ordering::SeqCst);
    }
    driver
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_killed_server() {
    let mut server =
        tokio::task::spawn_blocking(|| Postgres::start(Flush::EveryCommit)).await.unwrap().unwrap();
    let clock = ManualClock::default();
    // A server as it should be: it may lose nothing, so it is opened as the default asks.
    let store = open(PostgresConfig::new(server.url()), &clock).await;
    let fixture = Arc::new(Fixture::new(store.clone(), clock, ()));
    let mut drivers = Vec::new();
    for _ in 0..TASKS {
        drivers.push(driven(&fixture).await);
    }
    let answered = Arc::new(AtomicU64::new(0));
    let tasks = drivers
        .into_iter()
        .map(|driver| tokio::spawn(append_until_done(fixture.clone(), driver, answered.clone())));
    let at_work = tokio::spawn(join_all(tasks));

    let all = TASKS as u64 * APPENDS;
    for kill in 1..=KILLS {
        while answered.load(Ordering::SeqCst) < kill * all / (KILLS + 1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server = tokio::task::spawn_blocking(move || {
            server.kill().unwrap();
            server.start_again().unwrap();
            server
        })
        .await
        .unwrap();
        // Reads find a living connection at once.
        let seen = join_all((0..6).map(|_| Tasks::list(&store, TaskFilter::default(), page()))).await;
        assert!(seen.into_iter().all(|page| page.unwrap().tasks.len() == TASKS));
    }

    for driver in at_work.await.unwrap() {
        let driver = driver.unwrap();
        let loaded = store.load(driver.task).await.unwrap();
        assert_eq!(loaded.events.len() as u64, driver.seq);
        for end in (3..=driver.seq).step_by(2) {
            assert!(Keys::get(&store, &key(&format!("{}-{end}", driver.task))).await.unwrap().is_some());
        }
        assert_eq!(Tasks::get(&store, driver.task).await.unwrap().last_seq, driver.seq);
    }
    store.close().await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_ever_for_a_frozen_server() {
    let server = tokio::task::spawn_blocking(|| Postgres::start(Flush::Never)).await.unwrap().unwrap();
    let clock = ManualClock::default();
    let config = PostgresConfig {
        patience: Duration::from_millis(300),
        on_loss: OnLoss::Warn,
        ..PostgresConfig::new(server.url())
    };
    let store = open(config, &clock).await;
    let fixture = Fixture::new(store.clone(), clock, ());
    let mut driver = driven(&fixture).await;
    let first = driver.request();
    driver.append(&fixture, first).await;

    server.freeze().unwrap();
    let append = driver.request();
    let (appended, read, put) = futures::join!(
        store.append(append.clone()),
        store.load(driver.task),
        Blobs::put(&store, b"x".to_vec(), "text/plain")
    );
    for error in [appended.unwrap_err(), read.unwrap_err(), put.unwrap_err()] {
        assert!(error.is_transient(), "{error}");
    }
    server.thaw().unwrap();
    // Whether the server had got the append is unknown; its id settles that.
    driver.seq += 1;
    until_answered(async || store.append(append.clone()).await.map(|answer| answer == Appended::at(3))).await;
    until_answered(async || store.load(driver.task).await.map(|loaded| loaded.events.len() == 3)).await;
    until_answered(async || Blobs::put(&store, b"x".to_vec(), "text/plain").await.map(|_| true)).await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

/// Asks again while the store is not available.
async fn until_answered(ask: impl AsyncFn() -> Result<bool, Error>) {
    loop {
        match ask().await {
            Ok(right) => return assert!(right),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn page() -> holdfast_ports::Page {
    holdfast_ports::Page { size: 50, token: None }
}
