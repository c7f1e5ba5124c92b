//! Sessions of instances: opened, renewed, ended. A session that has ended leaves its row until no claim refers to it.

use async_trait::async_trait;
use holdfast_ports::{Error, Session};
use holdfast_types::{InstanceId, Timestamp};
use sqlx::SqliteConnection;

use super::failed::Failed;
use super::rows;
use super::writer::{Tx, Write};

/// Refuses an instance that has no living session.
pub(super) async fn require(
    connection: &mut SqliteConnection,
    instance: InstanceId,
    now: Timestamp,
) -> Result<(), Failed> {
    if is_alive(connection, instance, now).await? {
        return Ok(());
    }
    Err(Error::Stale { why: format!("{instance} has no session") }.into())
}

async fn is_alive(
    connection: &mut SqliteConnection,
    instance: InstanceId,
    now: Timestamp,
) -> Result<bool, Failed> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sessions WHERE instance = ? AND until > ?")
        .bind(instance.bytes().as_slice())
        .bind(now.micros())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

/// How many instances have a session: they share what is limited over all of them.
async fn alive(connection: &mut SqliteConnection, now: Timestamp) -> Result<u32, Failed> {
    let many: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE until > ?")
        .bind(now.micros())
        .fetch_one(connection)
        .await?;
    Ok(u32::try_from(many).unwrap_or(u32::MAX))
}

/// The process lives after all: what was counted against its tasks is taken back (PROTOCOL 18).
async fn forgive(connection: &mut SqliteConnection, instance: InstanceId) -> Result<(), Failed> {
    sqlx::query(
        "UPDATE tasks SET barren_lives = max(barren_lives - 1, 0), lost_from = NULL WHERE lost_from = ?",
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
        let (now, lease) = (tx.now, tx.config.lease);
        let instance = self.0.bytes().as_slice();
        let connection = tx.open().await?;
        let freed = sqlx::query(
            "UPDATE tasks SET owner = NULL, instance = NULL, previous = 'LOST', fertile = 0, wake_at = \
             CASE WHEN status NOT IN ('FINISHED', 'QUARANTINED') OR EXISTS \
             (SELECT 1 FROM inbox i WHERE i.task = tasks.no AND i.handled = 0) THEN ?1 END \
             WHERE instance = ?2 AND owner IS NOT NULL",
        )
        .bind(now.micros())
        .bind(instance)
        .execute(&mut *connection)
        .await?;
        if freed.rows_affected() > 0 {
            tracing::warn!(instance = %self.0, tasks = freed.rows_affected(), "a new session freed old claims");
        }
        forgive(connection, self.0).await?;
        sqlx::query(
            "INSERT INTO sessions (instance, until) VALUES (?, ?) \
             ON CONFLICT (instance) DO UPDATE SET until = excluded.until",
        )
        .bind(instance)
        .bind(now.after(lease).micros())
        .execute(&mut *connection)
        .await?;
        let instances = alive(connection, now).await?;
        Ok(Session { lease, store_time: now, instances })
    }
}

/// Renews a session; none where it has ended.
pub(super) struct Renew(pub(super) InstanceId);

#[async_trait]
impl Write for Renew {
    type Answer = Option<Session>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Session>, Failed> {
        let (now, lease) = (tx.now, tx.config.lease);
        let connection = tx.open().await?;
        if !is_alive(connection, self.0, now).await? {
            forgive(connection, self.0).await?;
            return Ok(None);
        }
        sqlx::query("UPDATE sessions SET until = ? WHERE instance = ?")
            .bind(now.after(lease).micros())
            .bind(self.0.bytes().as_slice())
            .execute(&mut *connection)
            .await?;
        let instances = alive(connection, now).await?;
        Ok(Some(Session { lease, store_time: now, instances }))
    }
}

/// Which sessions end.
pub(super) enum Close {
    /// That of one instance.
    One(InstanceId),
    /// All: whoever holds the data folder's lock knows that their processes are dead.
    All,
}

#[async_trait]
impl Write for Close {
    type Answer = u64;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u64, Failed> {
        let now = tx.now.micros();
        let connection = tx.open().await?;
        let query = match self {
            Self::One(instance) => {
                sqlx::query("UPDATE sessions SET until = min(until, ?) WHERE instance = ?")
                    .bind(now)
                    .bind(instance.bytes().as_slice())
            }
            Self::All => sqlx::query("UPDATE sessions SET until = min(until, ?)").bind(now),
        };
        Ok(query.execute(connection).await?.rows_affected())
    }
}

/// Ends a session that nobody has heard of since a moment. Its last sign of life was a lease before its end.
pub(super) struct EndSilent {
    pub(super) instance: InstanceId,
    pub(super) since: Timestamp,
}

/// So many tasks of an ended session are told; the others are found by polling.
const TOLD: u32 = 1_000;

#[async_trait]
impl Write for EndSilent {
    type Answer = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, Failed> {
        let (now, lease) = (tx.now.micros(), tx.config.lease);
        let instance = self.instance.bytes().as_slice();
        let connection = tx.open().await?;
        let ended =
            sqlx::query("UPDATE sessions SET until = ?1 WHERE instance = ?2 AND until > ?1 AND until <= ?3")
                .bind(now)
                .bind(instance)
                .bind(self.since.after(lease).micros())
                .execute(&mut *connection)
                .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        let freed = sqlx::query("SELECT id FROM tasks WHERE instance = ? AND owner IS NOT NULL LIMIT ?")
            .bind(instance)
            .bind(TOLD)
            .fetch_all(connection)
            .await?;
        for row in &freed {
            tx.news.woken.push(rows::task_id(row, 0)?);
        }
        Ok(true)
    }
}

/// Removes sessions that have ended and that no claim refers to any more.
pub(super) async fn sweep(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), Failed> {
    sqlx::query(
        "DELETE FROM sessions WHERE until <= ? AND NOT EXISTS \
         (SELECT 1 FROM tasks WHERE tasks.instance = sessions.instance AND tasks.instance IS NOT NULL)",
    )
    .bind(now.micros())
    .execute(connection)
    .await?;
    Ok(())
}
