//! The suite on PostgreSQL, and what is its own: replicas over one database, cut connections, a killed server.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/backlog.rs"]
mod backlog;
#[path = "../common/certificates.rs"]
mod certificates;
mod crash;
mod forking;
mod proxy;
#[path = "../common/pruning.rs"]
mod pruning;
mod replicas;
mod survey;
mod tls;
mod waiting;

use std::time::Duration;

use holdfast_store::suite::{Fixture, ManualClock};
use holdfast_store::{OnLoss, PostgresClock, PostgresConfig, PostgresStore};
use holdfast_testkit::PostgresDatabase;

/// A configuration for a test server, which does not wait for the disk. Its polls are far apart, so that a test of
/// one process sees whether its notices work.
fn config(database: &PostgresDatabase) -> PostgresConfig {
    PostgresConfig {
        on_loss: OnLoss::Warn,
        connections: 4,
        poll: Duration::from_secs(1),
        ..PostgresConfig::new(database.url())
    }
}

async fn open(config: PostgresConfig, clock: &ManualClock) -> PostgresStore {
    PostgresStore::open(config, PostgresClock::Given(clock.source())).await.unwrap()
}

async fn fixture() -> Fixture {
    let database = PostgresDatabase::create().unwrap();
    let clock = ManualClock::default();
    let store = open(config(&database), &clock).await;
    Fixture::new(store, clock, database)
}

holdfast_store::suite!(crate::fixture);

mod local {
    holdfast_store::local_suite!(crate::fixture);
}
