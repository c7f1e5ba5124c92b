//! Creating a task: its row, its first events and its first claim in one transaction.

use std::collections::HashSet;

use async_trait::async_trait;
use holdfast_ports::Error;
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Created, NewTask};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::append::INSERT_EVENTS;
use super::failed::Failed;
use super::rows::{self, TASK, integer, to_json};
use super::sessions;
use super::values::{MOST_ROWS, Statement, Values, class};
use super::writer::{Tx, Write};

/// The creation of a task.
pub(super) struct Create(pub(super) NewTask);

#[async_trait]
impl Write for Create {
    type Answer = Created;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Created, Failed> {
        match admit(tx, &self.0).await? {
            Admission::Answered(answer) => Ok(answer),
            Admission::Granted(content) => write(tx, &self.0, content).await,
        }
    }
}

/// Whether there is something to create.
pub(super) enum Admission {
    /// There is not; this is the answer.
    Answered(Created),
    /// There is, with this content.
    Granted(Content),
}

/// What a new task's rows hold that was looked up.
pub(super) struct Content {
    blobs: Vec<i64>,
    labels: String,
}

/// Looks whether a task may be created, and writes nothing.
pub(super) async fn admit(tx: &mut Tx<'_>, task: &NewTask) -> Result<Admission, Failed> {
    let now = tx.now;
    let connection = tx.open().await?;
    if let Some(row) = existing(connection, task).await? {
        let same = row.digest == task.digest;
        let answer = if same { Created::Same(Box::new(row)) } else { Created::Conflict };
        return Ok(Admission::Answered(answer));
    }
    if unfinished(connection, task).await? >= task.queue_limit {
        return Ok(Admission::Answered(Created::QueueFull { limit: task.queue_limit }));
    }
    if let Some(claimant) = &task.claimant {
        sessions::require(connection, claimant.instance, now).await?;
    }
    let blobs = require_blobs(connection, task).await?;
    Ok(Admission::Granted(Content { blobs, labels: to_json(&task.labels)? }))
}

/// Writes a task that was admitted.
pub(super) async fn write(tx: &mut Tx<'_>, task: &NewTask, content: Content) -> Result<Created, Failed> {
    let now = tx.now;
    let connection = tx.open().await?;
    let no = insert(connection, task, content.labels, now.micros()).await?;
    insert_events(connection, task, no).await?;
    for blob in content.blobs {
        sqlx::query("INSERT INTO blob_refs (task, blob) VALUES (?, ?)")
            .bind(no)
            .bind(blob)
            .execute(&mut *connection)
            .await?;
    }
    tx.news.tasks.push(task.id);
    if task.claimant.is_none() {
        tx.news.woken.push(task.id);
    }
    Ok(Created::New { epoch: epoch(task), last_seq: task.events.len() as u64 })
}

fn epoch(task: &NewTask) -> u64 {
    u64::from(task.claimant.is_some())
}

async fn existing(
    connection: &mut SqliteConnection,
    task: &NewTask,
) -> Result<Option<holdfast_types::task::TaskRow>, Failed> {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {TASK} FROM tasks WHERE id = ?")))
        .bind(task.id.bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(rows::task).transpose()?)
}

async fn unfinished(connection: &mut SqliteConnection, task: &NewTask) -> Result<u64, Failed> {
    let row = sqlx::query("SELECT unfinished FROM queues WHERE namespace = ?")
        .bind(task.namespace.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(|row| rows::number(row, 0)).transpose()?.unwrap_or(0))
}

/// The numbers of the blobs that the first events refer to.
async fn require_blobs(connection: &mut SqliteConnection, task: &NewTask) -> Result<Vec<i64>, Failed> {
    let wanted: HashSet<&String> = task.events.iter().flat_map(|event| &event.blobs).collect();
    let mut found = Vec::with_capacity(wanted.len());
    for sha256 in wanted {
        let missing = || Error::NotFound { what: format!("blob {sha256}") };
        let digest = rows::sha256(sha256).ok_or_else(missing)?;
        let no: Option<i64> = sqlx::query_scalar("SELECT no FROM blobs WHERE sha256 = ?")
            .bind(digest)
            .fetch_optional(&mut *connection)
            .await?;
        found.push(no.ok_or_else(missing)?);
    }
    Ok(found)
}

async fn insert(
    connection: &mut SqliteConnection,
    task: &NewTask,
    labels: String,
    now: i64,
) -> Result<i64, Failed> {
    let status = if task.claimant.is_some() { TaskStatus::Running } else { TaskStatus::Queued };
    let no = sqlx::query_scalar(
        "INSERT INTO tasks (id, namespace, name, labels, digest, status, epoch, owner, instance, last_seq, \
         wake_at, submitted_at, updated_at, priority) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING no",
    )
    .bind(task.id.bytes().as_slice())
    .bind(task.namespace.as_str())
    .bind(&task.name)
    .bind(labels)
    .bind(&task.digest)
    .bind(status.as_str())
    .bind(integer(epoch(task)))
    .bind(task.claimant.as_ref().map(|claimant| claimant.owner.bytes().as_slice()))
    .bind(task.claimant.as_ref().map(|claimant| claimant.instance.bytes().as_slice()))
    .bind(integer(task.events.len() as u64))
    .bind(task.claimant.is_none().then_some(now))
    .bind(task.submitted_at.micros())
    .bind(now)
    .bind(i64::from(task.priority.level()))
    .fetch_one(connection)
    .await?;
    Ok(no)
}

async fn insert_events(connection: &mut SqliteConnection, task: &NewTask, no: i64) -> Result<(), Failed> {
    let epoch = integer(epoch(task));
    for (chunk, first) in task.events.chunks(MOST_ROWS).zip((1_i64..).step_by(MOST_ROWS)) {
        let mut values = Values::new();
        for (event, seq) in chunk.iter().zip(first..) {
            values.push([
                no.into(),
                seq.into(),
                epoch.into(),
                event.at.micros().into(),
                event.kind.as_str().into(),
                i64::from(event.v).into(),
                event.body.as_str().into(),
            ]);
        }
        let mut statement = Statement::default();
        let rows = class(values.len());
        values.write(&mut statement, INSERT_EVENTS, rows);
        sqlx::query_with(AssertSqlSafe(statement.text), statement.arguments)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
