//! The suite on SQLite.
#![allow(missing_docs, clippy::unwrap_used)]

use holdfast_store::suite::{Fixture, ManualClock};
use holdfast_store::{Fsync, SqliteConfig, SqliteStore};

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("holdfast.db")) };
    let store = SqliteStore::open(config, clock.source()).await.unwrap();
    Fixture::new(store, clock, folder)
}

holdfast_store::suite!(crate::fixture);

mod local {
    holdfast_store::local_suite!(crate::fixture);
}
