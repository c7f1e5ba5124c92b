//! The ports over one SQLite database: WAL, one writer that groups commits, a few readers.

mod append;
mod backlog;
mod blobs;
mod checkpoints;
mod claims;
mod create;
mod failed;
mod fork;
mod inbox;
mod journal;
mod keys;
mod last_good;
mod leases;
mod open;
mod packed;
#[cfg(test)]
mod plans;
mod prune;
mod restores;
mod rows;
mod sessions;
mod snapshots;
mod survey;
mod tasks;
mod trouble;
mod turns;
mod values;
#[cfg(test)]
mod waiting;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::Result;
use holdfast_types::Timestamp;
use sqlx::SqlitePool;

use crate::notices::Notices;
use crate::rules::turns::Turns;
use writer::{Write, Writer};

/// The store's clock. All leases, retentions and wake-ups run on it; it is read once a transaction.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Each commit is on the disk before it is answered.
    #[default]
    EveryCommit,
    /// A loss of power may take the last commits back, a killed process may not. For tests.
    Never,
}

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database file; made where it is missing.
    pub path: PathBuf,
    /// Whether a commit waits for the disk.
    pub fsync: Fsync,
    /// How long a session lives without a renewal.
    pub lease: Duration,
    /// How long a settled key of a task is kept, at least.
    pub key_retention: Duration,
    /// How often followers and waiters look for themselves, besides being told.
    pub poll: Duration,
    /// How many reads run at once.
    pub readers: u32,
}

impl SqliteConfig {
    /// A configuration with the defaults of DESIGN section 13.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            fsync: Fsync::EveryCommit,
            lease: Duration::from_secs(10),
            key_retention: Duration::from_secs(7 * 24 * 3600),
            poll: Duration::from_secs(1),
            readers: 4,
        }
    }
}

/// A store in one database file. Clones share it; it must be the file's only writer (see
/// [`DataFolder`](crate::DataFolder)).
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    readers: SqlitePool,
    writer: Writer,
    notices: Arc<Notices>,
    turns: Turns,
    clock: Clock,
    config: SqliteConfig,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.inner.config.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Ends the writer after all that waits for it, and closes the database. Later verbs of clones fail with
    /// `Unavailable`.
    ///
    /// Dropping a store without this loses nothing that was answered.
    pub async fn close(&self) {
        self.inner.writer.close().await;
        self.inner.readers.close().await;
    }

    fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        self.inner.writer.write(write).await
    }
}
