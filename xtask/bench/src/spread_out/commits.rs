//! PostgreSQL commits, each on the disk before it is answered: n steps a commit, as n callers would group them.

use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection, PgConnection};

use crate::measure::now;

/// An intent and a result: what a step writes.
const ROWS_A_STEP: u32 = 2;
const ROW_BYTES: usize = 1_000;

/// Writes commits of `concurrency` steps each for `span`, and returns steps a second. Its table is gone afterwards.
pub(crate) async fn steps_a_second(url: &str, concurrency: u32, span: Duration) -> Result<f64> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("CREATE TABLE floor (task BYTEA, seq BIGINT, body TEXT, PRIMARY KEY (task, seq))")
        .execute(&mut connection)
        .await?;
    let rows = concurrency * ROWS_A_STEP;
    let tasks: Vec<Vec<u8>> = (0..rows).map(|row| (row / ROWS_A_STEP).to_be_bytes().to_vec()).collect();
    let bodies = vec!["x".repeat(ROW_BYTES); usize::try_from(rows)?];
    let begin = now();
    let mut commits: u32 = 0;
    while begin.elapsed() < span {
        let seqs: Vec<i64> =
            (0..rows).map(|row| i64::from(commits * ROWS_A_STEP + row % ROWS_A_STEP)).collect();
        sqlx::query("INSERT INTO floor SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::text[])")
            .bind(&tasks)
            .bind(seqs)
            .bind(&bodies)
            .execute(&mut connection)
            .await?;
        commits += 1;
    }
    let rate = crate::stats::rate(u64::from(commits) * u64::from(concurrency), begin.elapsed());
    sqlx::query("DROP TABLE floor").execute(&mut connection).await?;
    connection.close().await?;
    Ok(rate)
}
