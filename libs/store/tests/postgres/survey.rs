//! A look at a server and at what it holds.

use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use holdfast_store::suite::{Fixture, ManualClock};
use holdfast_store::{Backlog, Error, PostgresClock, PostgresStore, Prunable};
use holdfast_testkit::PostgresDatabase;

use crate::backlog;
use crate::pruning::{GOES, fill, prune};
use crate::{config, open};

/// The server counts by its own clock: what is to be past its time was written long ago.
const LONG_AGO: Duration = Duration::from_secs(2 * 365 * 86_400);

#[tokio::test]
async fn a_look_tells_what_is_there_and_makes_nothing() {
    let database = PostgresDatabase::create().unwrap();
    let config = config(&database);
    let report = PostgresStore::check(&config).await.unwrap();
    assert!(report.version.starts_with("PostgreSQL 1"), "{}", report.version);
    let skew = report.clock.since(SystemClock.now()).max(SystemClock.now().since(report.clock));
    assert!(skew < Duration::from_secs(60), "one machine has one clock: {skew:?}");
    for _ in 0..2 {
        let empty = PostgresStore::survey(&config).await.unwrap();
        assert_eq!((empty.work, empty.tables.len()), (None, 0));
        let nothing = PostgresStore::prunable(&config, SystemClock.now()).await.unwrap();
        assert_eq!(nothing, Prunable::default());
    }

    let clock = ManualClock::default();
    let store = open(config.clone(), &clock).await;
    let work = fill(&Fixture::new(store.clone(), clock, ())).await;
    let full = PostgresStore::survey(&config).await.unwrap();
    assert_eq!(full.work, Some(work));
    assert!(full.size.is_some_and(|size| size > 1_000_000), "{full:?}");
    let largest = full.tables.iter().map(|table| table.size).max();
    assert_eq!(full.tables.first().map(|table| table.size), largest);
    assert!(full.tables.iter().any(|table| table.name == "events" && table.size > 0), "{full:?}");
    store.close().await;
}

#[tokio::test]
async fn what_is_counted_is_what_goes() {
    let database = PostgresDatabase::create().unwrap();
    let (config, clock) = (config(&database), ManualClock::default());
    clock.step_back(clock.now().since(SystemClock.now()).max(LONG_AGO));
    let store = open(config.clone(), &clock).await;
    let fixture = Fixture::new(store.clone(), clock.clone(), ());
    let began = clock.now();
    fill(&fixture).await;
    let counted = PostgresStore::prunable(&config, clock.now()).await.unwrap();
    assert_eq!(counted, GOES);
    // Of a task that stays, all stays that is its own.
    let loose = PostgresStore::prunable(&config, began).await.unwrap();
    assert_eq!(loose, Prunable { tasks: 0, keys: 0, blobs: 1 });
    let before = clock.now();
    clock.advance(LONG_AGO / 2);
    assert_eq!(prune(&fixture, before).await, counted);
    assert_eq!(PostgresStore::prunable(&config, before).await.unwrap(), Prunable::default());
    store.close().await;
}

#[tokio::test]
async fn what_would_go_of_a_store_of_an_earlier_release_is_not_guessed() {
    let database = PostgresDatabase::create().unwrap();
    let config = config(&database);
    open(config.clone(), &ManualClock::default()).await.close().await;
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let refused = PostgresStore::prunable(&config, SystemClock.now()).await.unwrap_err();
    assert!(matches!(refused, Error::Outdated { found: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("start the platform once"), "{refused}");
}

#[tokio::test]
async fn a_store_of_a_later_release_is_not_looked_into() {
    let database = PostgresDatabase::create().unwrap();
    let config = config(&database);
    open(config.clone(), &ManualClock::default()).await.close().await;
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query("UPDATE meta SET value = '99' WHERE name = 'format'").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let refused = PostgresStore::survey(&config).await.unwrap_err();
    assert!(matches!(refused, Error::NewerDatabase { .. }), "{refused}");
}

#[tokio::test]
async fn what_waits_is_counted_by_what_it_waits_for() {
    let database = PostgresDatabase::create().unwrap();
    let clock = ManualClock::default();
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let given = PostgresClock::Given(clock.source());
    let store = PostgresStore::open_measured(config(&database), given, telemetry.metrics()).await.unwrap();
    assert_eq!(store.backlog().await.unwrap(), Backlog::default());
    let fixture = Fixture::new(store.clone(), clock, ());
    backlog::fill(&fixture).await;
    assert_eq!(store.backlog().await.unwrap(), backlog::filled());
    fixture.clock.advance(LONG_AGO);
    let late = store.backlog().await.unwrap();
    assert!(late.queued > backlog::filled().queued, "a session's end counts: {late:?}");
    let commits = telemetry.scrape().unwrap().value("holdfast_store_commit_duration_seconds_count");
    assert_eq!(commits, Some(4.0), "one for each task that was given back");
    store.close().await;
}
