//! The ports over PostgreSQL and what speaks its language: appends in groups, everything else in transactions of its
//! own. Several replicas may write to one database at once.

mod append;
mod backlog;
mod blobs;
mod check;
mod checkpoints;
mod claims;
mod config;
mod create;
mod failed;
mod fork;
mod inbox;
mod journal;
mod keys;
mod last_good;
mod leases;
mod losses;
mod open;
#[cfg(test)]
mod plans;
mod prune;
mod restores;
mod rows;
mod sessions;
mod snapshots;
mod survey;
mod tasks;
mod turns;
mod tx;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::Result;
use holdfast_telemetry::Metrics;
use holdfast_types::Timestamp;
use sqlx::PgPool;

use crate::notices::Notices;
use crate::rules::turns::Turns;
use failed::Bounded;
use tx::Shards;
use writer::Writers;

pub use check::PostgresReport;
pub use config::{PostgresClock, PostgresConfig};
pub use losses::Loss;

/// A store in a PostgreSQL database. Clones share it; any number of stores, in any number of processes, may be open
/// over one database.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    writers: Writers,
    notices: Arc<Notices>,
    turns: Turns,
    clock: PostgresClock,
    config: PostgresConfig,
    shards: Shards,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Ends the writers after all that waits for them, and closes the connections. Later verbs of clones fail with
    /// `Unavailable`.
    ///
    /// Dropping a store without this loses nothing that was answered.
    pub async fn close(&self) {
        self.inner.writers.close().await;
        self.inner.pool.close().await;
    }

    /// The connections for reads and for writes other than appends.
    fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    /// How long the server may say nothing.
    fn silence(&self) -> Duration {
        self.inner.config.silence()
    }

    /// The store's clock.
    async fn now(&self) -> Result<Timestamp> {
        match &self.inner.clock {
            PostgresClock::Given(clock) => Ok(clock()),
            clock @ PostgresClock::Database => {
                let mut connection = self.pool().acquire().bounded(self.silence(), "the clock").await?;
                tx::now(&mut connection, clock).bounded(self.silence(), "the clock").await
            }
        }
    }
}
