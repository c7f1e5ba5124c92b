//! A look into the file that changes nothing, also while another process owns it.

use std::path::Path;
use std::time::Duration;

use holdfast_types::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::SqliteStore;
use super::open::{check_current, check_format};
use crate::content::UNTOUCHED;
use crate::error::{Error, Result};
use crate::survey::{self, Names, OLDEST_KEY, Oldest, Prunable, Survey, WORK, Work};

const NAMES: Names = Names { task: "no", blob: "no", reference: "blob" };

/// How long the look waits for a lock, and reads through the keys.
const PATIENCE: Duration = Duration::from_secs(2);

impl SqliteStore {
    /// Looks at what a database file holds, without changing it. For `holdfast doctor`.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Read`] where the file can't be used; [`Error::Newer`] for a store of a later release.
    pub async fn survey(path: &Path) -> Result<Survey> {
        let mut connection = open(path).await?;
        let work = match check_format(path, &mut connection).await? {
            Some(_) => Some(work(&mut connection).await.map_err(unread(path))?),
            None => None,
        };
        close(connection).await;
        Ok(Survey { size: Some(size(path)), tables: Vec::new(), work })
    }

    /// Counts what retention would remove from a database file at `now`, of the tasks those that ended before
    /// `finished_before`. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Self::survey`]; [`Error::Outdated`] for a store of an earlier release.
    pub async fn prunable(path: &Path, finished_before: Timestamp, now: Timestamp) -> Result<Prunable> {
        let mut connection = open(path).await?;
        let untouched_since = now.micros().saturating_sub(Timestamp::default().after(UNTOUCHED).micros());
        let counted = match check_format(path, &mut connection).await? {
            Some(_) => {
                check_current(path, &mut connection).await?;
                sqlx::query_as(AssertSqlSafe(survey::prunable(&NAMES)))
                    .bind(finished_before.micros())
                    .bind(now.micros())
                    .bind(untouched_since)
                    .fetch_one(&mut connection)
                    .await
                    .map_err(unread(path))?
            }
            None => (0, 0, 0),
        };
        close(connection).await;
        Ok(survey::counted(counted))
    }
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    options.connect().await.map_err(|source| Error::Open { path: path.to_owned(), source })
}

fn unread(path: &Path) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Read { path: path.to_owned(), source }
}

async fn work(connection: &mut SqliteConnection) -> Result<Work, sqlx::Error> {
    let (unfinished, oldest): (i64, Option<i64>) = sqlx::query_as(WORK).fetch_one(&mut *connection).await?;
    let keys = sqlx::query_scalar::<_, Option<i64>>(OLDEST_KEY).fetch_one(&mut *connection);
    let oldest_key = match tokio::time::timeout(PATIENCE, keys).await {
        Ok(found) => found?.into(),
        Err(_) => Oldest::Unknown,
    };
    let oldest_task = oldest.map(Timestamp::from_micros);
    Ok(Work { unfinished: u64::try_from(unfinished).unwrap_or(0), oldest_task, oldest_key })
}

/// The bytes of the file and of its log.
fn size(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    of(path) + of(Path::new(&log))
}

/// Ends a connection that has changed nothing; it may still be at work, then it ends with the process.
async fn close(connection: SqliteConnection) {
    let _ = tokio::time::timeout(PATIENCE, connection.close()).await;
}
