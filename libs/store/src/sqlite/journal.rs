//! The journal: creation and appends by the writer, reads beside it.

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_ports::{Error, Journal, Result};
use holdfast_types::TaskId;
use holdfast_types::journal::{Append, Appended, Created, EventRow, Loaded, NewTask, Snapshot};
use holdfast_types::last_good::{LastGood, LastGoodKey};
use sqlx::{AssertSqlSafe, Row};

use super::create::Create;
use super::failed::Context;
use super::rows::{self, EVENT, integer};
use super::snapshots::PutSnapshot;
use super::{SqliteStore, follow};
use crate::plain::no_such_task;

#[async_trait]
impl Journal for SqliteStore {
    async fn create(&self, task: NewTask) -> Result<Created> {
        self.write(Create(task)).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.inner.writer.append(append).await
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        let row = sqlx::query(
            "SELECT t.no, t.last_seq, s.seq, s.v, s.body FROM tasks t LEFT JOIN snapshots s ON s.task = t.no \
             WHERE t.id = ?",
        )
        .bind(task.bytes().as_slice())
        .fetch_optional(self.readers())
        .await
        .of("load")?
        .ok_or_else(|| no_such_task(task))?;
        let no: i64 = row.try_get(0).of("load")?;
        let last_seq: u64 = rows::number(&row, 1)?;
        let snapshot = match row.try_get::<Option<i64>, _>(2).of("load")? {
            None => None,
            Some(_) => Some(Snapshot {
                seq: rows::number(&row, 2)?,
                v: rows::number(&row, 3)?,
                body: rows::text(&row, 4)?.to_owned(),
            }),
        };
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let events = self.read_events(no, after, i64::from(u32::MAX)).await?;
        let end = events.last().map_or(after, |event| event.seq);
        if end < last_seq {
            return Err(self.gone_or_broken(task, end).await);
        }
        Ok(Loaded { snapshot, events })
    }

    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>> {
        let no = self.task_no(task).await?;
        self.read_events(no, after, i64::from(limit)).await
    }

    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>> {
        follow::follow(self.clone(), task, after).await
    }

    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()> {
        self.write(PutSnapshot { task, snapshot }).await
    }

    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        self.read_last_good(key).await
    }
}

impl SqliteStore {
    /// The number of a task in the tables.
    pub(super) async fn task_no(&self, task: TaskId) -> Result<i64> {
        sqlx::query_scalar("SELECT no FROM tasks WHERE id = ?")
            .bind(task.bytes().as_slice())
            .fetch_optional(self.readers())
            .await
            .of("tasks")?
            .ok_or_else(|| no_such_task(task))
    }

    /// Reads events after a sequence number, in order, and checks that none is missing.
    pub(super) async fn read_events(&self, no: i64, after: u64, limit: i64) -> Result<Vec<EventRow>> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {EVENT} FROM events WHERE task = ? AND seq > ? ORDER BY seq LIMIT ?"
        )))
        .bind(no)
        .bind(integer(after))
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .of("events")?;
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
        match self.task_no(task).await {
            Ok(_) => rows::corrupt("a journal", format!("it ends at {end}, before its row says")),
            Err(error) => error,
        }
    }
}
