//! Marks of restores: written while nobody drives a task, read by whoever opens a session.

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::Timestamp;
use holdfast_types::restore::{MarkMode, MarkRestored, Marked, Restore};

use super::failed::{Context, Failed};
use super::writer::{Tx, Write};
use super::{SqliteStore, rows};
use crate::rules::restore::{Known, UNFINISHED, judge};

const MARKS: &str = "SELECT restored_at, marked_at, marked_by FROM restores ORDER BY marked_at";

/// Marks a restore, unless an instance has a session.
pub(super) struct Mark(pub(super) MarkRestored);

#[async_trait]
impl Write for Mark {
    type Answer = Marked;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Marked, Failed> {
        let now = tx.now;
        let restored_at = self.0.restored_at.micros();
        let connection = tx.open().await?;
        let before =
            sqlx::query("SELECT restored_at, marked_at, marked_by FROM restores WHERE restored_at = ?")
                .bind(restored_at)
                .fetch_optional(&mut *connection)
                .await?;
        let (instances, until): (i64, Option<i64>) =
            sqlx::query_as("SELECT count(*), max(until) FROM sessions WHERE until > ?")
                .bind(now.micros())
                .fetch_one(&mut *connection)
                .await?;
        let unfinished: i64 = sqlx::query_scalar(UNFINISHED).fetch_one(&mut *connection).await?;
        let known = Known {
            mark: before.as_ref().map(restore).transpose()?,
            sessions: until.map(|until| (instances.unsigned_abs(), Timestamp::from_micros(until))),
            unfinished: u64::try_from(unfinished).unwrap_or(0),
        };
        let marked = judge(&self.0, known, now)?;
        if let (Marked::Now { .. }, MarkMode::Write) = (&marked, self.0.mode) {
            sqlx::query("INSERT INTO restores (restored_at, marked_at, marked_by) VALUES (?, ?, ?)")
                .bind(restored_at)
                .bind(now.micros())
                .bind(&self.0.by)
                .execute(connection)
                .await?;
        }
        Ok(marked)
    }
}

impl SqliteStore {
    pub(super) async fn marks(&self) -> Result<Vec<Restore>> {
        let rows = sqlx::query(MARKS).fetch_all(self.readers()).await.of("restores")?;
        rows.iter().map(restore).collect()
    }
}

fn restore(row: &sqlx::sqlite::SqliteRow) -> Result<Restore> {
    Ok(Restore {
        restored_at: rows::time(row, 0)?,
        marked_at: rows::time(row, 1)?,
        by: rows::text(row, 2)?.to_owned(),
    })
}
