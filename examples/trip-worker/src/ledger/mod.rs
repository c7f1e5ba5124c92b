//! The ledger: one row for every call that really took effect, in a SQLite file of its own.

mod row;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_types::Key;
use serde_json::Value;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Row as _};

pub use row::Row;
pub(crate) use write::{Entry, Repeats, Target, Written};

/// The tables. `honours_key` is 1 where the tool finds a key again; such a key stands once, until it is undone.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS effects (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        tool TEXT NOT NULL,
        key TEXT NOT NULL,
        task TEXT NOT NULL,
        call TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        args_sha256 TEXT NOT NULL,
        honours_key INTEGER NOT NULL,
        replays INTEGER NOT NULL DEFAULT 0,
        undone_by INTEGER REFERENCES effects (id),
        result TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS effects_once ON effects (tool, key)
        WHERE honours_key = 1 AND undone_by IS NULL;
    CREATE INDEX IF NOT EXISTS effects_key ON effects (tool, key);
    CREATE TABLE IF NOT EXISTS calls (tool TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
";

/// How long a statement waits for another process that has the file open.
const BUSY: Duration = Duration::from_secs(10);

/// How long to wait before a file that another holds is opened again.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// How many can read at once beside the one writer.
const READERS: u32 = 2;

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It can't be opened.
    #[error("the ledger {} can't be opened", path.display())]
    Open {
        /// Its file; `:memory:` where it has none.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A row can't be written.
    #[error("the ledger can't be written")]
    Write(#[source] sqlx::Error),
    /// Rows can't be read.
    #[error("the ledger can't be read")]
    Read(#[source] sqlx::Error),
}

/// The ledger's file. Cheap to clone; clones share it. Several processes may have it open.
///
/// Its methods are cancel-safe: a write whose future is dropped has happened whole, or not at all.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// One connection: SQLite has one writer, and who waits here waits in order.
    writer: SqlitePool,
    readers: SqlitePool,
}

/// Opens the writing connection, and makes the tables.
///
/// A new file is changed to WAL by one process alone, and SQLite's busy timeout does not cover that: whoever meets
/// another at it tries again.
async fn writer(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let until = tokio::time::Instant::now() + BUSY;
    loop {
        let opened = async {
            let writer = pool(1).connect_with(options.clone()).await?;
            sqlx::raw_sql(TABLES).execute(&writer).await?;
            Ok(writer)
        };
        match opened.await {
            Err(error) if is_busy(&error) && tokio::time::Instant::now() < until => {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            opened => return opened,
        }
    }
}

/// Says whether another holds the file: SQLITE_BUSY, whatever its extension.
fn is_busy(error: &sqlx::Error) -> bool {
    let code =
        error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

impl Ledger {
    /// Opens the file; makes it, and the folders above it, where there is none.
    ///
    /// # Errors
    /// [`LedgerError::Open`].
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        let refuse = |source| LedgerError::Open { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|error| refuse(error.into()))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(BUSY)
            .journal_mode(SqliteJournalMode::Wal)
            // A killed process loses nothing; a machine that loses power is not what this example shows.
            .synchronous(SqliteSynchronous::Normal)
            .disable_statement_logging();
        let writer = writer(&options).await.map_err(refuse)?;
        let readers = pool(READERS).connect_lazy_with(options.create_if_missing(false));
        Ok(Self { writer, readers })
    }

    /// Makes a ledger without a file, for benchmarks that are not to measure a disk. It ends with its last clone.
    ///
    /// # Errors
    /// [`LedgerError::Open`].
    pub async fn in_memory() -> Result<Self, LedgerError> {
        let refuse = |source| LedgerError::Open { path: PathBuf::from(":memory:"), source };
        // One connection for everything: another one would see an empty database.
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        let only = pool(1).connect_with(options).await.map_err(refuse)?;
        sqlx::raw_sql(TABLES).execute(&only).await.map_err(refuse)?;
        Ok(Self { writer: only.clone(), readers: only })
    }

    /// Reads all effects, in the order in which they happened.
    ///
    /// # Errors
    /// [`LedgerError::Read`].
    pub async fn rows(&self) -> Result<Vec<Row>, LedgerError> {
        let rows = sqlx::query("SELECT * FROM effects ORDER BY id").fetch_all(&self.readers).await;
        rows.map_err(LedgerError::Read)?.iter().map(|row| row::read(row).map_err(LedgerError::Read)).collect()
    }

    /// Waits for what is under way, and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Finds the result of the first effect of a tool under a key that was not undone.
    pub(crate) async fn standing(&self, tool: &str, key: &Key) -> Result<Option<Value>, LedgerError> {
        let found = sqlx::query(
            "SELECT result FROM effects WHERE tool = ? AND key = ? AND undone_by IS NULL ORDER BY id LIMIT 1",
        )
        .bind(tool)
        .bind(key.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(LedgerError::Read)?;
        found.as_ref().map(row::result).transpose().map_err(LedgerError::Read)
    }

    /// Counts a call of a tool, over all lives of all workers on this ledger, and returns its number from 1.
    pub(crate) async fn count(&self, tool: &str) -> Result<u64, LedgerError> {
        let counted = sqlx::query(
            "INSERT INTO calls (tool, n) VALUES (?, 1) ON CONFLICT (tool) DO UPDATE SET n = n + 1 RETURNING n",
        )
        .bind(tool)
        .fetch_one(&self.writer)
        .await
        .map_err(LedgerError::Write)?;
        let n: i64 = counted.try_get("n").map_err(LedgerError::Write)?;
        Ok(u64::try_from(n).unwrap_or(0))
    }
}

/// Connections that are never given up: the only one of a ledger in memory is the ledger.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}
