//! Generic checkpoints, by namespace and thread. Ids sort in the order of time.

use async_trait::async_trait;
use holdfast_ports::{Checkpoint, CheckpointId, Checkpoints, Error, PendingWrite, Result};
use holdfast_types::Namespace;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::failed::{Bounded, Context, Failed};
use super::rows::{self, to_json};
use super::tx::{Tx, Write};
use super::{PostgresStore, blobs};

const COLUMNS: &str = "namespace, thread, id, parent, at, content, metadata";

fn checkpoint(row: &PgRow) -> Result<Checkpoint> {
    let id = CheckpointId {
        namespace: rows::namespace(row, 0)?,
        thread: rows::text(row, 1)?.to_owned(),
        id: rows::text(row, 2)?.to_owned(),
    };
    Ok(Checkpoint {
        id,
        parent: row.try_get(3).of("checkpoints")?,
        at: rows::time(row, 4)?,
        content: rows::json(row, 5)?,
        metadata: rows::json(row, 6)?,
    })
}

async fn find(connection: &mut PgConnection, id: &CheckpointId) -> Result<Option<Checkpoint>, Failed> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM checkpoints WHERE namespace = $1 AND thread = $2 AND id = $3"
    )))
    .bind(id.namespace.as_str())
    .bind(&id.thread)
    .bind(&id.id)
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(checkpoint).transpose()?)
}

struct Put(Checkpoint);

#[async_trait]
impl Write for Put {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        let new = &self.0;
        let connection = &mut *tx.connection;
        if let Some(there) = find(&mut *connection, &new.id).await? {
            // When it was stored is no part of what it is.
            if there == (Checkpoint { at: there.at, ..new.clone() }) {
                return Ok(());
            }
            return Err(Error::Stale { why: format!("checkpoint {} has other content", new.id.id) }.into());
        }
        let blob = blobs::require(&mut *connection, &new.content).await?;
        let metadata = to_json(&new.metadata)?;
        sqlx::query(
            "INSERT INTO checkpoints (namespace, thread, id, parent, at, content, metadata, blob) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.id.namespace.as_str())
        .bind(&new.id.thread)
        .bind(&new.id.id)
        .bind(new.parent.as_deref())
        .bind(new.at.micros())
        .bind(rows::payload(&new.content))
        .bind(metadata)
        .bind(blob)
        .execute(connection)
        .await?;
        Ok(())
    }
}

struct PutWrites {
    id: CheckpointId,
    writes: Vec<PendingWrite>,
}

#[async_trait]
impl Write for PutWrites {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        let connection = &mut *tx.connection;
        if find(&mut *connection, &self.id).await?.is_none() {
            return Err(Error::NotFound { what: format!("checkpoint {}", self.id.id) }.into());
        }
        let mut referred = Vec::with_capacity(self.writes.len());
        for write in &self.writes {
            referred.push(blobs::require(&mut *connection, &write.value).await?);
        }
        for (write, blob) in self.writes.iter().zip(referred) {
            sqlx::query(
                "INSERT INTO checkpoint_writes (namespace, thread, id, writer, position, channel, value, blob) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            )
            .bind(self.id.namespace.as_str())
            .bind(&self.id.thread)
            .bind(&self.id.id)
            .bind(&write.writer)
            .bind(i64::from(write.position))
            .bind(&write.channel)
            .bind(rows::payload(&write.value))
            .bind(blob)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

struct Copy {
    namespace: Namespace,
    from: String,
    to: String,
    until: Option<String>,
}

#[async_trait]
impl Write for Copy {
    type Answer = u32;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u32, Failed> {
        let connection = &mut *tx.connection;
        let taken: Option<i64> = sqlx::query_scalar(
            "SELECT 1::bigint FROM checkpoints WHERE namespace = $1 AND thread = $2 LIMIT 1",
        )
        .bind(self.namespace.as_str())
        .bind(&self.to)
        .fetch_optional(&mut *connection)
        .await?;
        if taken.is_some() {
            return Err(Error::Stale { why: format!("thread {} has checkpoints", self.to) }.into());
        }
        let copied = sqlx::query(
            "INSERT INTO checkpoints (namespace, thread, id, parent, at, content, metadata, blob) \
             SELECT namespace, $3::text, id, parent, at, content, metadata, blob FROM checkpoints \
             WHERE namespace = $1 AND thread = $2 AND ($4::text IS NULL OR id <= $4)",
        )
        .bind(self.namespace.as_str())
        .bind(&self.from)
        .bind(&self.to)
        .bind(self.until.as_deref())
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO checkpoint_writes (namespace, thread, id, writer, position, channel, value, blob) \
             SELECT namespace, $3::text, id, writer, position, channel, value, blob FROM checkpoint_writes \
             WHERE namespace = $1 AND thread = $2 AND ($4::text IS NULL OR id <= $4)",
        )
        .bind(self.namespace.as_str())
        .bind(&self.from)
        .bind(&self.to)
        .bind(self.until.as_deref())
        .execute(connection)
        .await?;
        Ok(u32::try_from(copied.rows_affected()).unwrap_or(u32::MAX))
    }
}

struct Prune {
    namespace: Namespace,
    thread: String,
    keep: u32,
}

#[async_trait]
impl Write for Prune {
    type Answer = u32;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u32, Failed> {
        let gone = sqlx::query(
            "DELETE FROM checkpoints WHERE namespace = $1 AND thread = $2 AND id NOT IN (SELECT id FROM \
             checkpoints WHERE namespace = $1 AND thread = $2 ORDER BY id DESC LIMIT $3)",
        )
        .bind(self.namespace.as_str())
        .bind(&self.thread)
        .bind(i64::from(self.keep))
        .execute(&mut *tx.connection)
        .await?;
        Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX))
    }
}

#[async_trait]
impl Checkpoints for PostgresStore {
    async fn put(&self, checkpoint: Checkpoint) -> Result<()> {
        self.write(Put(checkpoint)).await
    }

    async fn put_writes(&self, id: &CheckpointId, writes: Vec<PendingWrite>) -> Result<()> {
        self.write(PutWrites { id: id.clone(), writes }).await
    }

    async fn get(
        &self,
        namespace: &Namespace,
        thread: &str,
        id: Option<&str>,
    ) -> Result<Option<(Checkpoint, Vec<PendingWrite>)>> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM checkpoints WHERE namespace = $1 AND thread = $2 AND ($3::text IS NULL OR id = $3) \
             ORDER BY id DESC LIMIT 1"
        )))
        .bind(namespace.as_str())
        .bind(thread)
        .bind(id)
        .fetch_optional(self.pool())
        .bounded(self.silence(), "checkpoints")
            .await?;
        let Some(row) = row else { return Ok(None) };
        let checkpoint = checkpoint(&row)?;
        let writes = self.pending_writes(&checkpoint.id).await?;
        Ok(Some((checkpoint, writes)))
    }

    async fn list(
        &self,
        namespace: &Namespace,
        thread: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Checkpoint>> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM checkpoints WHERE namespace = $1 AND thread = $2 AND ($3::text IS NULL OR id < $3) \
             ORDER BY id DESC LIMIT $4"
        )))
        .bind(namespace.as_str())
        .bind(thread)
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .bounded(self.silence(), "checkpoints")
            .await?;
        rows.iter().map(checkpoint).collect()
    }

    async fn copy(&self, namespace: &Namespace, from: &str, to: &str, until: Option<&str>) -> Result<u32> {
        let until = until.map(str::to_owned);
        self.write(Copy { namespace: namespace.clone(), from: from.to_owned(), to: to.to_owned(), until })
            .await
    }

    async fn prune(&self, namespace: &Namespace, thread: &str, keep: u32) -> Result<u32> {
        self.write(Prune { namespace: namespace.clone(), thread: thread.to_owned(), keep }).await
    }
}

impl PostgresStore {
    async fn pending_writes(&self, id: &CheckpointId) -> Result<Vec<PendingWrite>> {
        let rows = sqlx::query(
            "SELECT writer, position, channel, value FROM checkpoint_writes \
             WHERE namespace = $1 AND thread = $2 AND id = $3 ORDER BY writer, position",
        )
        .bind(id.namespace.as_str())
        .bind(&id.thread)
        .bind(&id.id)
        .fetch_all(self.pool())
        .bounded(self.silence(), "checkpoints")
        .await?;
        let write = |row| {
            Ok(PendingWrite {
                writer: rows::text(row, 0)?.to_owned(),
                position: rows::number(row, 1)?,
                channel: rows::text(row, 2)?.to_owned(),
                value: rows::json(row, 3)?,
            })
        };
        rows.iter().map(write).collect()
    }
}
