//! Inboxes: stored and the task woken in one transaction; left by the append that handles them.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use holdfast_ports::{Inbox, Result};
use holdfast_types::TaskId;
use holdfast_types::inbox::InboxMessage;
use tokio_stream::wrappers::BroadcastStream;

use super::PostgresStore;
use super::failed::{Bounded, Failed};
use super::rows::{self, to_json};
use super::tx::{Tx, Write};
use crate::plain::no_such_task;

struct Put(InboxMessage);

#[async_trait]
impl Write for Put {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        let now = tx.now.micros();
        let body = to_json(&self.0)?;
        let task = self.0.task.bytes().as_slice();
        // Under the task's lock: messages are numbered as they come, and whoever gives the task back sees this one.
        sqlx::query("SELECT 1 FROM tasks WHERE id = $1 FOR NO KEY UPDATE")
            .bind(task)
            .fetch_optional(&mut *tx.connection)
            .await?
            .ok_or_else(|| no_such_task(self.0.task))?;
        let stored =
            sqlx::query("INSERT INTO inbox (id, task, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
                .bind(self.0.id.bytes().as_slice())
                .bind(task)
                .bind(body)
                .execute(&mut *tx.connection)
                .await?;
        if stored.rows_affected() > 0 {
            sqlx::query("UPDATE tasks SET wake_at = least(coalesce(wake_at, $1), $1) WHERE id = $2")
                .bind(now)
                .bind(task)
                .execute(&mut *tx.connection)
                .await?;
        }
        tx.news.woken.push(self.0.task);
        Ok(())
    }
}

#[async_trait]
impl Inbox for PostgresStore {
    async fn put(&self, message: InboxMessage) -> Result<()> {
        self.write(Put(message)).await
    }

    async fn read(&self, task: TaskId) -> Result<Vec<InboxMessage>> {
        let rows = sqlx::query("SELECT body FROM inbox WHERE task = $1 AND NOT handled ORDER BY no")
            .bind(task.bytes().as_slice())
            .fetch_all(self.pool())
            .bounded(self.silence(), "inbox")
            .await?;
        rows.iter().map(|row| rows::json(row, 0)).collect()
    }

    async fn wakeups(&self) -> Result<BoxStream<'static, TaskId>> {
        let woken = BroadcastStream::new(self.inner.notices.wakeups.subscribe());
        // Who lags has missed hints: polling finds those tasks.
        Ok(woken.filter_map(|task| async move { task.ok() }).boxed())
    }
}
