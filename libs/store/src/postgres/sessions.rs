//! Sessions of instances: opened, renewed, ended. A session that has ended leaves its row until no claim refers to it.
//!
//! A session's row is the first lock of whatever is about it, so that a renewal and a takeover never both succeed.

use async_trait::async_trait;
use holdfast_ports::{Error, Session};
use holdfast_types::{InstanceId, Timestamp};
use sqlx::PgConnection;

use super::failed::Failed;
use super::tx::{Tx, Write};
use super::{restores, rows};

/// Refuses an instance that has no living session; its row stays until the transaction ends. Says whether there are
/// sessions that have ended.
pub(super) async fn require(
    connection: &mut PgConnection,
    instance: InstanceId,
    now: Timestamp,
) -> Result<bool, Failed> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM sessions e WHERE e.until <= $2) FROM sessions s \
         WHERE s.instance = $1 AND s.until > $2 FOR KEY SHARE OF s",
    )
    .bind(instance.bytes().as_slice())
    .bind(now.micros())
    .fetch_optional(connection)
    .await?;
    match row {
        Some(row) => Ok(rows::flag(&row, 0)?),
        None => Err(Error::Stale { why: format!("{instance} has no session") }.into()),
    }
}

/// How many instances have a session: they share what is limited over all of them.
async fn alive(connection: &mut PgConnection, now: Timestamp) -> Result<u32, Failed> {
    let many: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE until > $1")
        .bind(now.micros())
        .fetch_one(connection)
        .await?;
    Ok(u32::try_from(many).unwrap_or(u32::MAX))
}

/// The process lives after all: what was counted against its tasks is taken back (PROTOCOL 18).
async fn forgive(connection: &mut PgConnection, instance: InstanceId) -> Result<(), Failed> {
    sqlx::query(
        "UPDATE tasks SET barren_lives = greatest(barren_lives - 1, 0), lost_from = NULL WHERE id IN \
         (SELECT id FROM tasks WHERE lost_from = $1 ORDER BY id FOR NO KEY UPDATE) AND lost_from = $1",
    )
    .bind(instance.bytes().as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

/// Opens a session. Claims that the instance still has from an earlier one are free: it has stopped those tasks.
pub(super) struct Open(pub(super) InstanceId);

#[async_trait]
impl Write for Open {
    type Answer = Session;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Session, Failed> {
        let instance = self.0.bytes().as_slice();
        sqlx::query(restores::OPENS).fetch_optional(&mut *tx.connection).await?;
        sqlx::query("SELECT 1 FROM sessions WHERE instance = $1 FOR NO KEY UPDATE")
            .bind(instance)
            .fetch_optional(&mut *tx.connection)
            .await?;
        tx.read_clock().await?;
        let (now, lease) = (tx.now, tx.config.lease);
        self.free_old_claims(tx, now).await?;
        forgive(&mut *tx.connection, self.0).await?;
        sqlx::query(
            "INSERT INTO sessions (instance, until) VALUES ($1, $2) \
             ON CONFLICT (instance) DO UPDATE SET until = excluded.until",
        )
        .bind(instance)
        .bind(now.after(lease).micros())
        .execute(&mut *tx.connection)
        .await?;
        let instances = alive(&mut *tx.connection, now).await?;
        Ok(Session { lease, store_time: now, instances })
    }
}

impl Open {
    async fn free_old_claims(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Failed> {
        let rows = sqlx::query(
            "SELECT id FROM tasks WHERE instance = $1 AND owner IS NOT NULL ORDER BY id FOR NO KEY UPDATE",
        )
        .bind(self.0.bytes().as_slice())
        .fetch_all(&mut *tx.connection)
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let tasks = rows.iter().map(|row| rows::bytes(row, 0)).collect::<Result<Vec<_>, _>>()?;
        tracing::warn!(instance = %self.0, tasks = tasks.len(), "a new session frees old claims");
        // A statement of its own: it sees the messages that came before the locks.
        sqlx::query(
            "UPDATE tasks SET owner = NULL, instance = NULL, previous = 'LOST', fertile = false, wake_at = \
             CASE WHEN status NOT IN ('FINISHED', 'QUARANTINED') OR EXISTS \
             (SELECT 1 FROM inbox i WHERE i.task = tasks.id AND NOT i.handled) THEN $1::bigint END \
             WHERE id = ANY($2::bytea[])",
        )
        .bind(now.micros())
        .bind(tasks)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

/// Renews a session; none where it has ended.
pub(super) struct Renew(pub(super) InstanceId);

#[async_trait]
impl Write for Renew {
    type Answer = Option<Session>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Session>, Failed> {
        let row = sqlx::query("SELECT until FROM sessions WHERE instance = $1 FOR NO KEY UPDATE")
            .bind(self.0.bytes().as_slice())
            .fetch_optional(&mut *tx.connection)
            .await?;
        // Whoever takes its tasks holds the row too: the clock counts from when it was free.
        tx.read_clock().await?;
        let (now, lease) = (tx.now, tx.config.lease);
        let until = row.as_ref().map(|row| rows::time(row, 0)).transpose()?;
        if until.is_none_or(|until| until <= now) {
            forgive(&mut *tx.connection, self.0).await?;
            return Ok(None);
        }
        sqlx::query("UPDATE sessions SET until = $1 WHERE instance = $2")
            .bind(now.after(lease).micros())
            .bind(self.0.bytes().as_slice())
            .execute(&mut *tx.connection)
            .await?;
        let instances = alive(&mut *tx.connection, now).await?;
        Ok(Some(Session { lease, store_time: now, instances }))
    }
}

/// Ends a session now, or leaves it ended.
pub(super) struct Close(pub(super) InstanceId);

#[async_trait]
impl Write for Close {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        sqlx::query("UPDATE sessions SET until = least(until, $1) WHERE instance = $2")
            .bind(tx.now.micros())
            .bind(self.0.bytes().as_slice())
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

/// Ends a session that nobody has heard of since a moment. Its last sign of life was a lease before its end.
pub(super) struct EndSilent {
    pub(super) instance: InstanceId,
    pub(super) since: Timestamp,
}

/// So many tasks of an ended session are told; the others are found by polling.
const TOLD: i64 = 1_000;

#[async_trait]
impl Write for EndSilent {
    type Answer = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, Failed> {
        let instance = self.instance.bytes().as_slice();
        // One update of one row: a renewal that holds it first has moved its end.
        let ended =
            sqlx::query("UPDATE sessions SET until = $1 WHERE instance = $2 AND until > $1 AND until <= $3")
                .bind(tx.now.micros())
                .bind(instance)
                .bind(self.since.after(tx.config.lease).micros())
                .execute(&mut *tx.connection)
                .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        let freed = sqlx::query("SELECT id FROM tasks WHERE instance = $1 AND owner IS NOT NULL LIMIT $2")
            .bind(instance)
            .bind(TOLD)
            .fetch_all(&mut *tx.connection)
            .await?;
        for row in &freed {
            tx.news.woken.push(rows::task_id(row, 0)?);
        }
        Ok(true)
    }
}

/// Removes sessions that have ended and that no claim refers to any more.
pub(super) async fn sweep(connection: &mut PgConnection, now: Timestamp) -> Result<(), Failed> {
    sqlx::query(
        "DELETE FROM sessions WHERE instance IN (SELECT s.instance FROM sessions s WHERE s.until <= $1 AND NOT EXISTS \
         (SELECT 1 FROM tasks t WHERE t.instance = s.instance AND t.instance IS NOT NULL) \
         ORDER BY s.instance FOR UPDATE OF s SKIP LOCKED)",
    )
    .bind(now.micros())
    .execute(connection)
    .await?;
    Ok(())
}
