//! Removing what nobody needs any more, in small batches: tasks with all that only they refer to.

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::{TaskId, Timestamp};

use super::SqliteStore;
use super::failed::Failed;
use super::rows;
use super::writer::{Tx, Write};

/// So many tasks go in one transaction.
const TASKS: u32 = 100;

/// So many events go in one transaction: others wait for it.
const EVENTS: i64 = 1000;

/// Removes tasks, and then their events. A crash in between leaves events without a task, which the next call removes.
pub(super) async fn prune(store: &SqliteStore, before: Timestamp, limit: u32) -> Result<u32> {
    let mut removed = 0;
    while removed < limit {
        let wanted = (limit - removed).min(TASKS);
        let gone = store.write(RemoveTasks { before, limit: wanted }).await?;
        removed = removed.saturating_add(gone);
        if gone < wanted {
            break;
        }
    }
    while store.write(RemoveEvents).await? {}
    Ok(removed)
}

/// Removes rows of tasks that ended long ago, that nobody drives and that have no message to handle.
struct RemoveTasks {
    before: Timestamp,
    limit: u32,
}

#[async_trait]
impl Write for RemoveTasks {
    type Answer = u32;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u32, Failed> {
        let connection = tx.open().await?;
        let rows = sqlx::query(
            "SELECT no, id FROM tasks WHERE finished_at IS NOT NULL AND finished_at < ? AND owner IS NULL \
             AND wake_at IS NULL ORDER BY finished_at LIMIT ?",
        )
        .bind(self.before.micros())
        .bind(self.limit)
        .fetch_all(&mut *connection)
        .await?;
        let tasks = rows
            .iter()
            .map(|row| Ok((rows::number::<i64>(row, 0)?, rows::task_id(row, 1)?)))
            .collect::<Result<Vec<(i64, TaskId)>>>()?;
        for (no, _) in &tasks {
            sqlx::query("INSERT INTO removed_tasks (no) VALUES (?)")
                .bind(no)
                .execute(&mut *connection)
                .await?;
            // Snapshot, inbox and references go by their foreign keys; keys when their own time has come.
            sqlx::query("DELETE FROM tasks WHERE no = ?").bind(no).execute(&mut *connection).await?;
        }
        tx.news.tasks.extend(tasks.iter().map(|(_, id)| *id));
        Ok(u32::try_from(tasks.len()).unwrap_or(u32::MAX))
    }
}

/// Removes some events of removed tasks; says whether there are more.
struct RemoveEvents;

#[async_trait]
impl Write for RemoveEvents {
    type Answer = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, Failed> {
        let connection = tx.open().await?;
        let task: Option<i64> = sqlx::query_scalar("SELECT no FROM removed_tasks ORDER BY no LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
        let Some(task) = task else { return Ok(false) };
        let gone = sqlx::query(
            "DELETE FROM events WHERE no IN (SELECT no FROM events WHERE task = ? ORDER BY seq LIMIT ?)",
        )
        .bind(task)
        .bind(EVENTS)
        .execute(&mut *connection)
        .await?;
        if i64::try_from(gone.rows_affected()).is_ok_and(|gone| gone < EVENTS) {
            sqlx::query("DELETE FROM removed_tasks WHERE no = ?").bind(task).execute(connection).await?;
        }
        Ok(true)
    }
}
