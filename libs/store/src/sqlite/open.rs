//! Opening a store: the writer's connection, the migrations, the readers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_telemetry::Metrics;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};

use super::writer::Writer;
use super::{Clock, Fsync, Inner, SqliteConfig, SqliteStore};
use crate::error::{Error, Result};
use crate::notices::Notices;
use crate::rules::turns::Turns;

/// The store's format: raised by a migration that older releases can't live with.
const FORMAT: u32 = 1;

/// How long a statement waits for another process that looks into the file, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// A reader that gets no connection for so long says so.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Texts of prepared statements that a connection remembers: the groups' sizes times their kinds.
const STATEMENTS: usize = 256;

impl SqliteStore {
    /// Opens the database, makes or migrates its tables, and starts its writer on the present runtime.
    ///
    /// The caller owns the folder: see [`DataFolder`](crate::DataFolder).
    ///
    /// # Errors
    /// [`Error::Newer`] for a store of a later release; [`Error::Open`] and [`Error::Migrate`] where the file can't
    /// be used.
    pub async fn open(config: SqliteConfig, clock: Clock) -> Result<Self> {
        Self::open_measured(config, clock, Metrics::no_op()).await
    }

    /// Opens it as [`Self::open`] does, and measures its commits.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_measured(config: SqliteConfig, clock: Clock, metrics: Arc<Metrics>) -> Result<Self> {
        let refuse = |source| Error::Open { path: config.path.clone(), source };
        let options = options(&config);
        let mut connection = options.connect().await.map_err(refuse)?;
        migrate(&config, &mut connection).await?;
        let readers = readers(&config, options).await.map_err(refuse)?;
        let notices = Arc::new(Notices::new());
        let writer =
            Writer::start(connection, Arc::clone(&notices), Arc::clone(&clock), config.clone(), metrics);
        Ok(Self {
            inner: Arc::new(Inner { readers, writer, notices, turns: Turns::default(), clock, config }),
        })
    }
}

fn options(config: &SqliteConfig) -> SqliteConnectOptions {
    let synchronous = match config.fsync {
        Fsync::EveryCommit => SqliteSynchronous::Full,
        Fsync::Never => SqliteSynchronous::Off,
    };
    SqliteConnectOptions::new()
        .filename(&config.path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(1024)
        // Checkpoints of 16 MiB: pages that many commits have changed are copied once.
        .pragma("wal_autocheckpoint", "4096")
        .pragma("cache_size", "-32000")
        .pragma("temp_store", "MEMORY")
        .thread_name(|id| format!("sqlite-{id}"))
        .disable_statement_logging()
}

async fn readers(config: &SqliteConfig, options: SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    SqlitePoolOptions::new()
        .max_connections(config.readers.max(1))
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
        .await
}

/// Returns the format of a store that is there; none: the file has no tables yet.
pub(super) async fn check_format(path: &Path, connection: &mut SqliteConnection) -> Result<Option<String>> {
    let refuse = |source| Error::Open { path: path.to_owned(), source };
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = 'meta'")
        .fetch_optional(&mut *connection)
        .await
        .map_err(refuse)?;
    if known.is_none() {
        return Ok(None);
    }
    let found: String = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'format'")
        .fetch_one(&mut *connection)
        .await
        .map_err(refuse)?;
    if found.parse::<u32>().is_ok_and(|found| found <= FORMAT) {
        return Ok(Some(found));
    }
    Err(Error::Newer { path: path.to_owned(), found, known: FORMAT })
}

/// Refuses a store whose tables this release would add to.
pub(super) async fn check_current(path: &Path, connection: &mut SqliteConnection) -> Result<()> {
    let known = crate::survey::newest(&sqlx::migrate!("migrations/sqlite"));
    let found: Option<i64> = sqlx::query_scalar(crate::survey::MADE)
        .fetch_one(connection)
        .await
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    crate::survey::check_current(|| format!("the database {}", path.display()), found, known)
}

async fn migrate(config: &SqliteConfig, connection: &mut SqliteConnection) -> Result<()> {
    if let Some(format) = check_format(&config.path, connection).await? {
        tracing::debug!(format, "store found");
    }
    let mut migrations = sqlx::migrate!("migrations/sqlite");
    // Migrations of a later release of the same format only add: this one need not know them.
    migrations.set_ignore_missing(true);
    migrations.run(connection).await.map_err(|source| Error::Migrate { path: config.path.clone(), source })
}
