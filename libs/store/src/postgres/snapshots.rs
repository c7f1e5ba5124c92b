//! Snapshots of folds: the newest of each task.

use async_trait::async_trait;
use holdfast_ports::Error;
use holdfast_types::journal::Snapshot;
use holdfast_types::{TaskId, TaskStatus};

use super::failed::Failed;
use super::rows::{self, integer};
use super::tx::{Tx, Write};
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
        // The lock keeps the append out that finishes the task, and with it the snapshot that would outlive the task.
        let row = sqlx::query("SELECT last_seq, status FROM tasks WHERE id = $1 FOR SHARE")
            .bind(self.task.bytes().as_slice())
            .fetch_optional(&mut *tx.connection)
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
            "INSERT INTO snapshots (task, seq, v, body) VALUES ($1, $2, $3, $4) ON CONFLICT (task) \
             DO UPDATE SET seq = excluded.seq, v = excluded.v, body = excluded.body \
             WHERE excluded.seq >= snapshots.seq",
        )
        .bind(self.task.bytes().as_slice())
        .bind(integer(self.snapshot.seq))
        .bind(i64::from(self.snapshot.v))
        .bind(&self.snapshot.body)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}
