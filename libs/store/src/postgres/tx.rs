//! Transactions: begun with the store's clock, run again where the database asks for it, told of after their commit.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, Postgres, Row};

use super::config::PostgresClock;
use super::failed::{Failed, is_broken, unavailable};
use super::{Inner, PostgresConfig, PostgresStore};
use crate::notices::News;

/// A transaction that the database aborts for another's sake is run so often.
const RUNS: u32 = 8;

/// Dead connections of a server that was restarted are passed over, so many of them.
const DEAD: u32 = 32;

/// The shards of a namespace's count of unfinished tasks.
const SHARDS: u32 = 64;

/// The database's clock in microseconds. Not `now()`: that stands still within a transaction.
pub(super) const CLOCK: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// A write: reads under locks, decides, writes. It may run more than once, so it keeps nothing between runs.
///
/// Rows are locked in this order: sessions, tasks by id, keys, blobs, and what belongs to them.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    /// What its caller gets.
    type Answer: Send + 'static;

    /// Reads, decides and writes. A refusal takes back whatever was written before it.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, Failed>;
}

/// A transaction.
pub(super) struct Tx<'c> {
    /// The connection, within the transaction.
    pub(super) connection: &'c mut PgConnection,
    /// The store's clock when the transaction began.
    pub(super) now: Timestamp,
    /// The store's configuration.
    pub(super) config: &'c PostgresConfig,
    /// What is to be told after the commit.
    pub(super) news: News,
    clock: &'c PostgresClock,
    shard: i32,
}

impl<'c> Tx<'c> {
    /// Begins a transaction.
    pub(super) async fn begin(connection: &'c mut PgConnection, inner: &'c Inner) -> Result<Self, Failed> {
        let now = begin(connection, &inner.clock).await.map_err(Failed::NotBegun)?;
        let shard = i32::try_from(inner.shards.next()).unwrap_or(0);
        Ok(Self { connection, now, config: &inner.config, news: News::default(), clock: &inner.clock, shard })
    }

    /// Where the time comes from.
    pub(super) const fn clock(&self) -> &PostgresClock {
        self.clock
    }

    /// Reads the clock again, after a lock that may have been waited for.
    pub(super) async fn read_clock(&mut self) -> Result<(), sqlx::Error> {
        self.now = now(&mut *self.connection, self.clock).await?;
        Ok(())
    }

    /// Notes how the number of unfinished tasks of namespaces has changed. The last statement of a transaction, so
    /// that others wait for its row as short as can be.
    pub(super) async fn count(&mut self, mut changes: Vec<(String, i64)>) -> Result<(), sqlx::Error> {
        changes.retain(|(_, change)| *change != 0);
        if changes.is_empty() {
            return Ok(());
        }
        changes.sort();
        let (namespaces, numbers): (Vec<String>, Vec<i64>) = changes.into_iter().unzip();
        sqlx::query(
            "INSERT INTO queues (namespace, shard, unfinished) \
             SELECT namespace, $3, change FROM unnest($1::text[], $2::bigint[]) AS v (namespace, change) \
             ON CONFLICT (namespace, shard) DO UPDATE SET unfinished = queues.unfinished + excluded.unfinished",
        )
        .bind(namespaces)
        .bind(numbers)
        .bind(self.shard)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Commits, and returns what is to be told.
    pub(super) async fn commit(self) -> Result<News, Failed> {
        match sqlx::raw_sql("COMMIT").execute(&mut *self.connection).await {
            Ok(_) => Ok(self.news),
            Err(error) if is_broken(&error) => Err(Failed::Unknown(error)),
            Err(error) => Err(Failed::Sql(error)),
        }
    }
}

async fn begin(connection: &mut PgConnection, clock: &PostgresClock) -> Result<Timestamp, sqlx::Error> {
    match clock {
        PostgresClock::Given(clock) => {
            sqlx::raw_sql("BEGIN").execute(connection).await?;
            Ok(clock())
        }
        PostgresClock::Database => {
            // Both in one hop.
            let text = sqlx::AssertSqlSafe(format!("BEGIN; SELECT {CLOCK}"));
            let row = sqlx::raw_sql(text).fetch_one(connection).await?;
            row.try_get(0).map(Timestamp::from_micros)
        }
    }
}

/// The store's clock.
pub(super) async fn now(
    connection: &mut PgConnection,
    clock: &PostgresClock,
) -> Result<Timestamp, sqlx::Error> {
    match clock {
        PostgresClock::Given(clock) => Ok(clock()),
        PostgresClock::Database => {
            let text = sqlx::AssertSqlSafe(format!("SELECT {CLOCK}"));
            sqlx::query_scalar(text).fetch_one(connection).await.map(Timestamp::from_micros)
        }
    }
}

/// Gives each transaction a shard, another one than those beside it.
#[derive(Debug)]
pub(super) struct Shards(AtomicU32);

impl Shards {
    pub(super) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        // Replicas begin at different places.
        let start = RandomState::new().hash_one(0_u8) & 0xffff;
        Self(AtomicU32::new(u32::try_from(start).unwrap_or(0)))
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) % SHARDS
    }
}

impl PostgresStore {
    /// Writes in a transaction of its own. It runs to its end though its caller may go: a connection is never given
    /// back in the middle of a transaction.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        let store = self.clone();
        let task = tokio::spawn(async move { store.run_to_the_end(&write).await });
        task.await.unwrap_or_else(|error| Err(unavailable("the store", error.to_string())))
    }

    async fn run_to_the_end<W: Write>(&self, write: &W) -> Result<W::Answer> {
        let (mut runs, mut dead) = (0, 0);
        loop {
            let failed = match self.run_once(write).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match &failed {
                Failed::NotBegun(error) if is_lost(error) && dead < DEAD => dead += 1,
                failed if failed.may_run_again() && runs + 1 < RUNS => {
                    runs += 1;
                    tokio::time::sleep(pause(runs)).await;
                }
                _ => return Err(failed.into_error("the store")),
            }
        }
    }

    async fn run_once<W: Write>(&self, write: &W) -> Result<W::Answer, Failed> {
        let mut connection = self.inner.pool.acquire().await.map_err(Failed::NotBegun)?;
        let run = async {
            let mut tx = Tx::begin(&mut connection, &self.inner).await?;
            let answer = write.run(&mut tx).await?;
            Ok((answer, tx.commit().await?))
        };
        let outcome = match tokio::time::timeout(self.silence(), run).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failed::Unknown(silent())),
        };
        match outcome {
            Ok((answer, news)) => {
                self.inner.notices.publish(news);
                Ok(answer)
            }
            Err(failed) => {
                if abandon(&mut connection, &failed, self.silence()).await.is_err() {
                    connection.close_on_drop();
                }
                Err(failed)
            }
        }
    }
}

/// Takes a failed transaction back; an error where the connection is of no more use.
pub(super) async fn abandon(
    connection: &mut PoolConnection<Postgres>,
    failed: &Failed,
    silence: Duration,
) -> Result<(), ()> {
    let broken = match failed {
        Failed::Sql(error) => is_broken(error),
        Failed::NotBegun(_) | Failed::Unknown(_) => true,
        Failed::Refused(_) | Failed::Raced => false,
    };
    if broken {
        return Err(());
    }
    let rollback = async { sqlx::raw_sql("ROLLBACK").execute(&mut **connection).await };
    match tokio::time::timeout(silence, rollback).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

/// What stands for a server that does not answer.
pub(super) fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer"))
}

/// Says whether an old connection was found dead, rather than no new one made.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::TimedOut
                | std::io::ErrorKind::NotFound
        ),
        error => {
            error.as_database_error().is_some_and(|error| error.code().is_some_and(|code| code == "57P01"))
        }
    }
}

/// The pause before the next run.
pub(super) fn pause(runs: u32) -> Duration {
    Duration::from_millis(u64::from(runs.min(6)).pow(2))
}

/// Ends a connection politely, if it still lives.
pub(super) async fn hang_up(connection: PoolConnection<Postgres>) {
    // Fails where it is dead already.
    let _ = connection.detach().close().await;
}
