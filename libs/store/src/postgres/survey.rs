//! A look into the database that changes nothing.

use std::time::Duration;

use holdfast_types::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::config::{PostgresClock, PostgresConfig};
use super::open::{check_current, check_format, connect, limited, options};
use super::{PostgresStore, tx};
use crate::content::UNTOUCHED;
use crate::error::{Error, Result};
use crate::survey::{self, Names, OLDEST_KEY, Oldest, Prunable, Survey, TableSize, WORK, Work};

const NAMES: Names = Names { task: "id", blob: "sha256", reference: "sha256" };

/// The tables that grow.
const TABLES: [&str; 10] = [
    "tasks",
    "events",
    "snapshots",
    "inbox",
    "keys",
    "key_evidence",
    "last_good",
    "blob_contents",
    "blob_refs",
    "checkpoints",
];

/// How long the server works at a question of a survey.
const LOOK: Duration = Duration::from_secs(2);

/// How long it counts what would go.
const COUNT: Duration = Duration::from_secs(120);

/// The server has ended the statement: it took too long.
const CANCELLED: &str = "57014";

impl PostgresStore {
    /// Looks at what a database holds, over a connection of its own, without changing it. For `holdfast doctor`.
    ///
    /// # Errors
    /// [`Error::Url`]; [`Error::Connect`] where the server does not answer; [`Error::NewerDatabase`] for a store of a
    /// later release.
    pub async fn survey(config: &PostgresConfig) -> Result<Survey> {
        let (mut connection, server) = open(config, LOOK).await?;
        let refuse = |source| Error::Connect { server: server.clone(), source };
        let work = match check_format(&mut connection, &server).await? {
            Some(_) => Some(work(&mut connection).await.map_err(refuse)?),
            None => None,
        };
        let size = told(size(&mut connection).await).map_err(refuse)?;
        let tables = told(tables(&mut connection).await).map_err(refuse)?.unwrap_or_default();
        Ok(Survey { size, tables, work })
    }

    /// Counts what retention would remove now by the server's clock, of the tasks those that ended before
    /// `finished_before`. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Self::survey`]; [`Error::Outdated`] for a store of an earlier release.
    pub async fn prunable(config: &PostgresConfig, finished_before: Timestamp) -> Result<Prunable> {
        let (mut connection, server) = open(config, COUNT).await?;
        if check_format(&mut connection, &server).await?.is_none() {
            return Ok(Prunable::default());
        }
        check_current(&mut connection, &server).await?;
        // The server ends the statement before: this is for one that does not answer at all.
        let counting = tokio::time::timeout(COUNT * 2, count(&mut connection, finished_before)).await;
        let counted = counting.unwrap_or_else(|_| Err(tx::silent()));
        counted.map(survey::counted).map_err(|source| Error::Connect { server, source })
    }
}

async fn open(config: &PostgresConfig, patience: Duration) -> Result<(PgConnection, String)> {
    let (options, server) = options(config)?;
    let options = limited(options, patience).options([("default_transaction_read_only", "on")]);
    Ok((connect(&options, &server).await?, server))
}

async fn work(connection: &mut PgConnection) -> Result<Work, sqlx::Error> {
    let (unfinished, oldest): (i64, Option<i64>) = sqlx::query_as(WORK).fetch_one(&mut *connection).await?;
    let oldest_key = match sqlx::query_scalar::<_, Option<i64>>(OLDEST_KEY).fetch_one(connection).await {
        Ok(found) => found.into(),
        Err(error) if code(&error).is_some_and(|code| code == CANCELLED) => Oldest::Unknown,
        Err(error) => return Err(error),
    };
    let oldest_task = oldest.map(Timestamp::from_micros);
    Ok(Work { unfinished: u64::try_from(unfinished).unwrap_or(0), oldest_task, oldest_key })
}

async fn size(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let size: i64 =
        sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(connection).await?;
    Ok(size.unsigned_abs())
}

async fn tables(connection: &mut PgConnection) -> Result<Vec<TableSize>, sqlx::Error> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT name, pg_total_relation_size(to_regclass(name)) FROM unnest($1::text[]) AS name \
         WHERE to_regclass(name) IS NOT NULL ORDER BY 2 DESC, 1",
    )
    .bind(TABLES.as_slice())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(name, size)| TableSize { name, size: size.unsigned_abs() }).collect())
}

async fn count(
    connection: &mut PgConnection,
    finished_before: Timestamp,
) -> Result<(i64, i64, i64), sqlx::Error> {
    let now = tx::now(&mut *connection, &PostgresClock::Database).await?;
    let untouched_since = now.micros().saturating_sub(Timestamp::default().after(UNTOUCHED).micros());
    sqlx::query_as(AssertSqlSafe(survey::prunable(&NAMES)))
        .bind(finished_before.micros())
        .bind(now.micros())
        .bind(untouched_since)
        .fetch_one(connection)
        .await
}

/// A server that speaks PostgreSQL's language need not know its functions: then it tells nothing.
fn told<T>(answer: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.as_database_error().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(std::borrow::Cow::into_owned)
}
