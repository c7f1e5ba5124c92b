//! Marks of restores: written while nobody drives a task, read by whoever opens a session.

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::Timestamp;
use holdfast_types::restore::{MarkMode, MarkRestored, Marked, Restore};

use super::failed::{Bounded, Failed};
use super::tx::{Tx, Write};
use super::{PostgresStore, rows};
use crate::rules::restore::{Known, UNFINISHED, judge};

/// Keeps whoever opens a session and whoever marks a restore apart: each of the two reads what the other writes.
pub(super) const OPENS: &str = "SELECT 1 FROM meta WHERE name = 'format' FOR KEY SHARE";
const MARKING: &str = "SELECT 1 FROM meta WHERE name = 'format' FOR UPDATE";

/// Marks a restore, unless an instance has a session.
pub(super) struct Mark(pub(super) MarkRestored);

#[async_trait]
impl Write for Mark {
    type Answer = Marked;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Marked, Failed> {
        sqlx::query(MARKING).fetch_optional(&mut *tx.connection).await?;
        // Whoever opened a session meanwhile is seen: the clock counts from when the row was free.
        tx.read_clock().await?;
        let now = tx.now;
        let restored_at = self.0.restored_at.micros();
        let before =
            sqlx::query("SELECT restored_at, marked_at, marked_by FROM restores WHERE restored_at = $1")
                .bind(restored_at)
                .fetch_optional(&mut *tx.connection)
                .await?;
        let (instances, until): (i64, Option<i64>) =
            sqlx::query_as("SELECT count(*), max(until) FROM sessions WHERE until > $1")
                .bind(now.micros())
                .fetch_one(&mut *tx.connection)
                .await?;
        let unfinished: i64 = sqlx::query_scalar(UNFINISHED).fetch_one(&mut *tx.connection).await?;
        let known = Known {
            mark: before.as_ref().map(restore).transpose()?,
            sessions: until.map(|until| (instances.unsigned_abs(), Timestamp::from_micros(until))),
            unfinished: u64::try_from(unfinished).unwrap_or(0),
        };
        let marked = judge(&self.0, known, now)?;
        if let (Marked::Now { .. }, MarkMode::Write) = (&marked, self.0.mode) {
            sqlx::query("INSERT INTO restores (restored_at, marked_at, marked_by) VALUES ($1, $2, $3)")
                .bind(restored_at)
                .bind(now.micros())
                .bind(&self.0.by)
                .execute(&mut *tx.connection)
                .await?;
        }
        Ok(marked)
    }
}

impl PostgresStore {
    pub(super) async fn marks(&self) -> Result<Vec<Restore>> {
        let rows = sqlx::query("SELECT restored_at, marked_at, marked_by FROM restores ORDER BY marked_at")
            .fetch_all(self.pool())
            .bounded(self.silence(), "restores")
            .await?;
        rows.iter().map(restore).collect()
    }
}

fn restore(row: &sqlx::postgres::PgRow) -> Result<Restore> {
    Ok(Restore {
        restored_at: rows::time(row, 0)?,
        marked_at: rows::time(row, 1)?,
        by: rows::text(row, 2)?.to_owned(),
    })
}
