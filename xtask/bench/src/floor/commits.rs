//! SQLite commits: WAL, `synchronous=FULL`, rows in the order of their append, n steps a commit.

use std::time::{Duration, Instant};

use anyhow::Result;
use holdfast_testkit::Folder;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, SqliteConnection};

/// An intent and a result: what a step writes.
const ROWS_A_STEP: u32 = 2;
const ROW_BYTES: usize = 1_000;

/// Writes commits of `concurrency` steps each for `span`, and returns steps a second.
pub(crate) async fn steps_a_second(concurrency: u32, span: Duration) -> Result<f64> {
    let folder = Folder::new()?;
    let options = SqliteConnectOptions::new()
        .filename(folder.join("floor.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query("CREATE TABLE events (id INTEGER PRIMARY KEY, task BLOB, seq INTEGER, body TEXT)")
        .execute(&mut connection)
        .await?;
    sqlx::query("CREATE UNIQUE INDEX events_by_task ON events (task, seq)").execute(&mut connection).await?;
    let body = "x".repeat(ROW_BYTES);
    #[allow(clippy::disallowed_methods)] // a benchmark is about the real clock
    let begin = Instant::now();
    let mut commits: u32 = 0;
    while begin.elapsed() < span {
        let mut insert = QueryBuilder::new("INSERT INTO events (task, seq, body) ");
        insert.push_values(0..concurrency * ROWS_A_STEP, |mut row, i| {
            let task = (i / ROWS_A_STEP).to_be_bytes().to_vec();
            row.push_bind(task)
                .push_bind(i64::from(commits * ROWS_A_STEP + i % ROWS_A_STEP))
                .push_bind(&body);
        });
        insert.build().execute(&mut connection).await?;
        commits += 1;
    }
    let rate = crate::stats::rate(u64::from(commits) * u64::from(concurrency), begin.elapsed());
    connection.close().await?;
    Ok(rate)
}
