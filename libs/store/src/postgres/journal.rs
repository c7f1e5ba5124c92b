//! The journal: appends by the writers, creation and reads beside them.

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_ports::{Error, Journal, Result};
use holdfast_types::TaskId;
use holdfast_types::journal::{Append, Appended, Created, EventRow, Fork, Loaded, NewTask, Snapshot};
use holdfast_types::last_good::{LastGood, LastGoodKey};
use sqlx::{AssertSqlSafe, Row};

use super::PostgresStore;
use super::create::Create;
use super::failed::{Bounded, Context};
use super::fork::CreateFork;
use super::rows::{self, EVENT, integer};
use super::snapshots::PutSnapshot;
use crate::follow::follow;
use crate::plain::no_such_task;

#[async_trait]
impl Journal for PostgresStore {
    async fn create(&self, task: NewTask) -> Result<Created> {
        self.write(Create(task)).await
    }

    async fn fork(&self, fork: Fork) -> Result<Created> {
        self.write(CreateFork(fork)).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.inner.writers.append(append).await
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        let row = sqlx::query(
            "SELECT t.last_seq, s.seq, s.v, s.body FROM tasks t LEFT JOIN snapshots s ON s.task = t.id \
             WHERE t.id = $1",
        )
        .bind(task.bytes().as_slice())
        .fetch_optional(self.pool())
        .bounded(self.silence(), "load")
        .await?
        .ok_or_else(|| no_such_task(task))?;
        let last_seq: u64 = rows::number(&row, 0)?;
        let snapshot = match row.try_get::<Option<i64>, _>(1).of("load")? {
            None => None,
            Some(_) => Some(Snapshot {
                seq: rows::number(&row, 1)?,
                v: rows::number(&row, 2)?,
                body: rows::text(&row, 3)?.to_owned(),
            }),
        };
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let events = self.read_events(task, after, i64::from(u32::MAX)).await?;
        let end = events.last().map_or(after, |event| event.seq);
        if end < last_seq {
            return Err(self.gone_or_broken(task, end).await);
        }
        Ok(Loaded { snapshot, events })
    }

    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>> {
        let events = self.read_events(task, after, i64::from(limit)).await?;
        if events.is_empty() {
            self.require_task(task).await?;
        }
        Ok(events)
    }

    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>> {
        let news = self.inner.notices.tasks.subscribe(task);
        follow(self.clone(), task, after, news, self.inner.config.poll).await
    }

    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        self.read_last_good(key).await
    }

    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()> {
        self.write(PutSnapshot { task, snapshot }).await
    }
}

impl PostgresStore {
    /// Refuses a task that is not there.
    async fn require_task(&self, task: TaskId) -> Result<()> {
        sqlx::query("SELECT 1 FROM tasks WHERE id = $1")
            .bind(task.bytes().as_slice())
            .fetch_optional(self.pool())
            .bounded(self.silence(), "tasks")
            .await?
            .map(drop)
            .ok_or_else(|| no_such_task(task))
    }

    /// Reads events after a sequence number, in order, and checks that none is missing.
    async fn read_events(&self, task: TaskId, after: u64, limit: i64) -> Result<Vec<EventRow>> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {EVENT} FROM events WHERE task = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        )))
        .bind(task.bytes().as_slice())
        .bind(integer(after))
        .bind(limit)
        .fetch_all(self.pool())
        .bounded(self.silence(), "events")
        .await?;
        let events = rows.iter().map(rows::event).collect::<Result<Vec<_>>>()?;
        match events.iter().zip(after.saturating_add(1)..).find(|(event, seq)| event.seq != *seq) {
            Some((event, seq)) => {
                Err(rows::corrupt("a journal", format!("{} stands where {seq} should", event.seq)))
            }
            None => Ok(events),
        }
    }

    /// A task whose events end too early was removed between two reads, or its journal is broken.
    async fn gone_or_broken(&self, task: TaskId, end: u64) -> Error {
        match self.require_task(task).await {
            Ok(()) => rows::corrupt("a journal", format!("it ends at {end}, before its row says")),
            Err(error) => error,
        }
    }
}
