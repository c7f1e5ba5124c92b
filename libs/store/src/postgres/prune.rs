//! Removing what nobody needs any more, in small batches: tasks with all that only they refer to.

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::{TaskId, Timestamp};

use super::PostgresStore;
use super::failed::Failed;
use super::rows;
use super::tx::{Tx, Write};

/// So many tasks go in one transaction.
const TASKS: u32 = 100;

/// So many events go in one transaction: others wait for it.
const EVENTS: i64 = 1000;

/// Removes tasks, and then their events. A crash in between leaves events without a task, which the next call removes.
pub(super) async fn prune(store: &PostgresStore, before: Timestamp, limit: u32) -> Result<u32> {
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
        let rows = sqlx::query(ENDED)
            .bind(self.before.micros())
            .bind(i64::from(self.limit))
            .fetch_all(&mut *tx.connection)
            .await?;
        let tasks = rows.iter().map(|row| rows::task_id(row, 0)).collect::<Result<Vec<TaskId>>>()?;
        let ids: Vec<&[u8]> = tasks.iter().map(|task| task.bytes().as_slice()).collect();
        sqlx::query("INSERT INTO removed_tasks (task) SELECT unnest($1::bytea[]) ON CONFLICT DO NOTHING")
            .bind(&ids)
            .execute(&mut *tx.connection)
            .await?;
        // Snapshot, inbox and references go by their foreign keys; keys when their own time has come.
        sqlx::query("DELETE FROM tasks WHERE id = ANY($1::bytea[])")
            .bind(&ids)
            .execute(&mut *tx.connection)
            .await?;
        tx.news.tasks.extend(&tasks);
        Ok(u32::try_from(tasks.len()).unwrap_or(u32::MAX))
    }
}

/// Locks tasks that ended long ago, the longest first, but for those that somebody is using.
pub(super) const ENDED: &str = "SELECT id FROM tasks WHERE finished_at IS NOT NULL AND finished_at < $1 \
     AND owner IS NULL AND wake_at IS NULL ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED";

/// Removes some events of removed tasks; says whether there are more.
struct RemoveEvents;

/// Some events of a task, by their places.
pub(super) const REMOVE_EVENTS: &str = "DELETE FROM events WHERE task = $1 AND seq IN \
     (SELECT seq FROM events WHERE task = $1 ORDER BY seq LIMIT $2)";

#[async_trait]
impl Write for RemoveEvents {
    type Answer = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, Failed> {
        // Replicas take one each.
        let task: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT task FROM removed_tasks ORDER BY task LIMIT 1 FOR UPDATE SKIP LOCKED")
                .fetch_optional(&mut *tx.connection)
                .await?;
        let Some(task) = task else { return Ok(false) };
        let gone = sqlx::query(REMOVE_EVENTS).bind(&task).bind(EVENTS).execute(&mut *tx.connection).await?;
        if i64::try_from(gone.rows_affected()).is_ok_and(|gone| gone < EVENTS) {
            sqlx::query("DELETE FROM removed_tasks WHERE task = $1")
                .bind(task)
                .execute(&mut *tx.connection)
                .await?;
        }
        Ok(true)
    }
}
