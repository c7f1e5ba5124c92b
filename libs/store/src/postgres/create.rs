//! Creating a task: its row, its first events and its first claim in one transaction.

use std::collections::BTreeSet;

use async_trait::async_trait;
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Created, NewTask};
use sqlx::{AssertSqlSafe, PgConnection};

use super::failed::Failed;
use super::rows::{self, TASK, integer, to_json};
use super::tx::{Tx, Write};
use super::{blobs, sessions};

/// The creation of a task.
pub(super) struct Create(pub(super) NewTask);

#[async_trait]
impl Write for Create {
    type Answer = Created;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Created, Failed> {
        if let Some(answer) = admit(tx, &self.0).await? {
            return Ok(answer);
        }
        write_row(tx, &self.0).await?;
        write_content(tx, &self.0).await
    }
}

/// Answers where there is nothing to create.
pub(super) async fn admit(tx: &mut Tx<'_>, task: &NewTask) -> Result<Option<Created>, Failed> {
    if let Some(row) = existing(&mut *tx.connection, task).await? {
        let same = row.digest == task.digest;
        return Ok(Some(if same { Created::Same(Box::new(row)) } else { Created::Conflict }));
    }
    if unfinished(&mut *tx.connection, task).await? >= task.queue_limit {
        return Ok(Some(Created::QueueFull { limit: task.queue_limit }));
    }
    if let Some(claimant) = &task.claimant {
        sessions::require(&mut *tx.connection, claimant.instance, tx.now).await?;
    }
    Ok(None)
}

/// Writes the row.
pub(super) async fn write_row(tx: &mut Tx<'_>, task: &NewTask) -> Result<(), Failed> {
    let now = tx.now.micros();
    match insert(&mut *tx.connection, task, now).await? {
        true => Ok(()),
        // Made by another just now: the next run finds it.
        false => Err(Failed::Raced),
    }
}

/// Writes what belongs to the row; the last part of a transaction.
pub(super) async fn write_content(tx: &mut Tx<'_>, task: &NewTask) -> Result<Created, Failed> {
    insert_blobs(&mut *tx.connection, task).await?;
    insert_events(&mut *tx.connection, task).await?;
    tx.count(vec![(task.namespace.as_str().to_owned(), 1)]).await?;
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
    connection: &mut PgConnection,
    task: &NewTask,
) -> Result<Option<holdfast_types::task::TaskRow>, Failed> {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {TASK} FROM tasks WHERE id = $1")))
        .bind(task.id.bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(rows::task).transpose()?)
}

/// What other transactions are just adding is not counted: as many as create at one moment may be over the limit.
async fn unfinished(connection: &mut PgConnection, task: &NewTask) -> Result<u64, Failed> {
    let sum: i64 =
        sqlx::query_scalar("SELECT coalesce(sum(unfinished), 0)::bigint FROM queues WHERE namespace = $1")
            .bind(task.namespace.as_str())
            .fetch_one(connection)
            .await?;
    Ok(u64::try_from(sum).unwrap_or(0))
}

/// Inserts the row; says whether it was not there.
async fn insert(connection: &mut PgConnection, task: &NewTask, now: i64) -> Result<bool, Failed> {
    let status = if task.claimant.is_some() { TaskStatus::Running } else { TaskStatus::Queued };
    let inserted = sqlx::query(
        "INSERT INTO tasks (id, namespace, name, labels, digest, status, epoch, owner, instance, last_seq, \
         wake_at, submitted_at, updated_at, priority) \
         VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING",
    )
    .bind(task.id.bytes().as_slice())
    .bind(task.namespace.as_str())
    .bind(&task.name)
    .bind(to_json(&task.labels)?)
    .bind(&task.digest)
    .bind(status.as_str())
    .bind(integer(epoch(task)))
    .bind(task.claimant.as_ref().map(|claimant| claimant.owner.bytes().as_slice()))
    .bind(task.claimant.as_ref().map(|claimant| claimant.instance.bytes().as_slice()))
    .bind(integer(task.events.len() as u64))
    .bind(task.claimant.is_none().then_some(now))
    .bind(task.submitted_at.micros())
    .bind(now)
    .bind(i16::from(task.priority.level()))
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// What the first events refer to.
async fn insert_blobs(connection: &mut PgConnection, task: &NewTask) -> Result<(), Failed> {
    let wanted: BTreeSet<&String> = task.events.iter().flat_map(|event| &event.blobs).collect();
    for name in wanted {
        let sha256 = blobs::require_digest(connection, name).await?;
        sqlx::query("INSERT INTO blob_refs (task, sha256) VALUES ($1, $2)")
            .bind(task.id.bytes().as_slice())
            .bind(sha256)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert_events(connection: &mut PgConnection, task: &NewTask) -> Result<(), Failed> {
    let events = &task.events;
    sqlx::query(
        "INSERT INTO events (task, seq, epoch, at, v, kind, body) SELECT $1, v.seq, $2, v.at, v.v, v.kind, v.body \
         FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[]) \
         AS v (seq, at, v, kind, body)",
    )
    .bind(task.id.bytes().as_slice())
    .bind(integer(epoch(task)))
    .bind((1..).take(events.len()).collect::<Vec<i64>>())
    .bind(events.iter().map(|event| event.at.micros()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| i64::from(event.v)).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.body.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
