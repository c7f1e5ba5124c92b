//! Snapshots of folds: the newest of each task.

use async_trait::async_trait;
use holdfast_ports::Error;
use holdfast_types::journal::Snapshot;
use holdfast_types::{TaskId, TaskStatus};

use super::failed::Failed;
use super::rows::{self, integer};
use super::writer::{Tx, Write};
use crate::plain::no_such_task;

/// Stores a snapshot, unless a newer one is there or the task has ended: it may arrive after the end, and a finished
/// task keeps none.
pub(super) struct PutSnapshot {
    pub(super) task: TaskId,
    pub(super) snapshot: Snapshot,
}

#[async_trait]
impl Write for PutSnapshot {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        let connection = tx.open().await?;
        let row = sqlx::query("SELECT last_seq, status, no FROM tasks WHERE id = ?")
            .bind(self.task.bytes().as_slice())
            .fetch_optional(&mut *connection)
            .await?
            .ok_or_else(|| no_such_task(self.task))?;
        let last_seq: u64 = rows::number(&row, 0)?;
        if self.snapshot.seq > last_seq {
            let why = format!("the task's last event is {last_seq}");
            return Err(Error::Invalid { field: "snapshot.seq".to_owned(), why }.into());
        }
        if rows::text(&row, 1)? == TaskStatus::Finished.as_str() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO snapshots (task, seq, v, body) VALUES (?, ?, ?, ?) ON CONFLICT (task) \
             DO UPDATE SET seq = excluded.seq, v = excluded.v, body = excluded.body \
             WHERE excluded.seq >= snapshots.seq",
        )
        .bind(rows::number::<i64>(&row, 2)?)
        .bind(integer(self.snapshot.seq))
        .bind(i64::from(self.snapshot.v))
        .bind(&self.snapshot.body)
        .execute(connection)
        .await?;
        Ok(())
    }
}
