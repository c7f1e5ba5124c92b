//! Claims: tasks that want to be driven go to whoever asks, each to one, under a new epoch. Replicas pass over rows
//! that another one has locked.

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::journal::Claimed;
use holdfast_types::{InstanceId, OwnerId, TaskId, TaskStatus, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::failed::Failed;
use super::rows::{self, HEAD, integer};
use super::tx::{Tx, Write};
use super::{sessions, turns};
use crate::packed;
use crate::rules::life::{Life, wake_at};

/// A task whose message waits wakes from its end and from quarantine.
pub(super) const WANTS: &str = "(t.status NOT IN ('FINISHED', 'QUARANTINED') OR EXISTS \
     (SELECT 1 FROM inbox i WHERE i.task = t.id AND NOT i.handled))";

/// Writes claims.
const TAKE: &str = "UPDATE tasks SET epoch = v.epoch, owner = v.owner, instance = $7, previous = v.previous, \
     barren_lives = v.barren_lives, lost_from = v.lost_from, fertile = false, wake_at = NULL \
     FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bytea[]) \
     AS v (id, epoch, owner, previous, barren_lives, lost_from) WHERE tasks.id = v.id";

struct Candidate {
    id: TaskId,
    last_seq: u64,
    life: Life,
}

fn read(row: &PgRow) -> Result<Candidate> {
    let (_, id, head) = packed::head(rows::text(row, 0)?)?;
    Ok(Candidate { id, last_seq: head.last_seq, life: head.life })
}

impl Candidate {
    fn claimed(&self, owner: OwnerId) -> Claimed {
        Claimed {
            task: self.id,
            epoch: self.life.epoch,
            owner,
            last_seq: self.last_seq,
            previous: self.life.previous,
            barren_lives: self.life.barren_lives,
        }
    }
}

/// Claims whatever wants to be driven.
pub(super) struct ClaimMany {
    pub(super) instance: InstanceId,
    pub(super) owners: Vec<OwnerId>,
    /// The namespace that had the last turn.
    pub(super) last: String,
}

#[async_trait]
impl Write for ClaimMany {
    /// The claims, and the namespace that had the last turn, where they took turns.
    type Answer = (Vec<Claimed>, Option<String>);

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, Failed> {
        let now = tx.now;
        let connection = &mut *tx.connection;
        let some_have_ended = sessions::require(connection, self.instance, now).await?;
        let mut found = Vec::new();
        if some_have_ended {
            found = find(connection, lost_text(), now, self.owners.len()).await?;
        }
        let mut last = None;
        if found.len() < self.owners.len() {
            let room = self.owners.len() - found.len();
            let mut due = find(connection, due_text(), now, room).await?;
            if due.len() == room {
                // There may be more: then those who have waited longest do not take it all.
                let (ids, had) = turns::find(connection, now, &self.last, room).await?;
                let mut in_turn = lock(connection, ids, now).await?;
                due.retain(|one| !in_turn.iter().any(|other| other.id == one.id));
                in_turn.append(&mut due);
                in_turn.truncate(room);
                (due, last) = (in_turn, had);
            }
            found.append(&mut due);
            // All claims of dead sessions that want a driver have one now; the others keep nobody's place.
            if some_have_ended {
                put_to_rest(connection, now).await?;
                sessions::sweep(connection, now).await?;
            }
        }
        Ok((take(connection, found, self.instance, &self.owners).await?, last))
    }
}

/// Tasks of dead sessions that want a driver. A session that is just being renewed is none.
pub(super) fn lost_text() -> String {
    format!(
        "SELECT {HEAD} FROM sessions s JOIN tasks t ON t.instance = s.instance AND t.owner IS NOT NULL \
         WHERE s.until <= $1 AND {WANTS} LIMIT $2 \
         FOR SHARE OF s SKIP LOCKED FOR NO KEY UPDATE OF t SKIP LOCKED"
    )
}

/// Tasks that nobody holds and whose time has come, the longest waiting first.
pub(super) fn due_text() -> String {
    format!(
        "SELECT {HEAD} FROM tasks t WHERE t.owner IS NULL AND t.wake_at <= $1 ORDER BY t.wake_at LIMIT $2 \
         FOR NO KEY UPDATE SKIP LOCKED"
    )
}

/// A row that can't be read keeps its neighbours from nobody.
async fn find(
    connection: &mut PgConnection,
    text: String,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Candidate>, Failed> {
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(now.micros())
        .bind(integer(limit as u64))
        .fetch_all(connection)
        .await?;
    Ok(readable(&rows))
}

/// Tasks whose turn it is and that no other replica has locked.
async fn lock(
    connection: &mut PgConnection,
    ids: Vec<Vec<u8>>,
    now: Timestamp,
) -> Result<Vec<Candidate>, Failed> {
    let rows = sqlx::query(AssertSqlSafe(turns::lock_text()))
        .bind(now.micros())
        .bind(ids)
        .fetch_all(connection)
        .await?;
    Ok(readable(&rows))
}

fn readable(rows: &[PgRow]) -> Vec<Candidate> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row) {
            Ok(candidate) => found.push(candidate),
            Err(error) => tracing::error!(%error, "a task can't be claimed"),
        }
    }
    found
}

/// Locks ended and quarantined tasks of dead sessions.
pub(super) const AT_REST: &str = "SELECT t.id FROM sessions s JOIN tasks t ON t.instance = s.instance \
     AND t.owner IS NOT NULL WHERE s.until <= $1 AND t.status IN ('FINISHED', 'QUARANTINED') ORDER BY t.id \
     FOR SHARE OF s SKIP LOCKED FOR NO KEY UPDATE OF t SKIP LOCKED";

/// They belong to nobody, unless a message waits. A statement of its own, so that it sees the messages that came
/// before the locks.
async fn put_to_rest(connection: &mut PgConnection, now: Timestamp) -> Result<(), Failed> {
    let rows = sqlx::query(AT_REST).bind(now.micros()).fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let tasks = rows.iter().map(|row| rows::bytes(row, 0)).collect::<Result<Vec<_>>>()?;
    sqlx::query(AssertSqlSafe(format!(
        "UPDATE tasks t SET owner = NULL, instance = NULL, wake_at = NULL, previous = 'LOST' \
         WHERE t.id = ANY($1::bytea[]) AND NOT {WANTS}"
    )))
    .bind(tasks)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes the claims, one statement for all.
async fn take(
    connection: &mut PgConnection,
    found: Vec<Candidate>,
    instance: InstanceId,
    owners: &[OwnerId],
) -> Result<Vec<Claimed>, Failed> {
    let mut claims = Vec::with_capacity(found.len());
    let (mut ids, mut epochs, mut new_owners) = (Vec::new(), Vec::new(), Vec::new());
    let (mut previous, mut barren, mut lost_from) = (Vec::new(), Vec::new(), Vec::new());
    for (mut candidate, owner) in found.into_iter().zip(owners) {
        candidate.life.begin(instance, *owner);
        ids.push(candidate.id.bytes().to_vec());
        epochs.push(integer(candidate.life.epoch));
        new_owners.push(owner.bytes().to_vec());
        previous.push(candidate.life.previous.as_str());
        barren.push(i64::from(candidate.life.barren_lives));
        lost_from.push(candidate.life.lost_from.map(|id| id.bytes().to_vec()));
        claims.push(candidate.claimed(*owner));
    }
    if !claims.is_empty() {
        sqlx::query(TAKE)
            .bind(ids)
            .bind(epochs)
            .bind(new_owners)
            .bind(previous)
            .bind(barren)
            .bind(lost_from)
            .bind(instance.bytes().as_slice())
            .execute(connection)
            .await?;
    }
    Ok(claims)
}

/// One task that nobody holds, where its time has come.
pub(super) fn one_due_text() -> String {
    format!(
        "SELECT {HEAD} FROM tasks t WHERE t.id = $1 AND t.owner IS NULL AND t.wake_at <= $2 FOR NO KEY UPDATE"
    )
}

/// One task of a dead session, where it wants a driver.
pub(super) fn one_lost_text() -> String {
    format!(
        "SELECT {HEAD} FROM sessions s JOIN tasks t ON t.instance = s.instance AND t.owner IS NOT NULL \
         WHERE t.id = $1 AND s.until <= $2 AND {WANTS} FOR SHARE OF s FOR NO KEY UPDATE OF t"
    )
}

/// Claims one task, if it wants to be driven.
pub(super) struct ClaimOne {
    pub(super) instance: InstanceId,
    pub(super) owner: OwnerId,
    pub(super) task: TaskId,
}

#[async_trait]
impl Write for ClaimOne {
    type Answer = Option<Claimed>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Claimed>, Failed> {
        let now = tx.now;
        let connection = &mut *tx.connection;
        sessions::require(connection, self.instance, now).await?;
        for text in [one_due_text(), one_lost_text()] {
            let row = sqlx::query(AssertSqlSafe(text))
                .bind(self.task.bytes().as_slice())
                .bind(now.micros())
                .fetch_optional(&mut *connection)
                .await?;
            if let Some(row) = row {
                let claims = take(connection, vec![read(&row)?], self.instance, &[self.owner]).await?;
                return Ok(claims.into_iter().next());
            }
        }
        Ok(None)
    }
}

/// Gives a claim back, if it is the current one.
pub(super) struct Release {
    pub(super) task: TaskId,
    pub(super) epoch: u64,
    pub(super) owner: OwnerId,
}

#[async_trait]
impl Write for Release {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        let row = sqlx::query(
            "SELECT status FROM tasks WHERE id = $1 AND epoch = $2 AND owner = $3 FOR NO KEY UPDATE",
        )
        .bind(self.task.bytes().as_slice())
        .bind(integer(self.epoch))
        .bind(self.owner.bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
        let Some(row) = row else { return Ok(()) };
        // A statement of its own: it sees the messages that came before the lock.
        let messages_wait: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM inbox WHERE task = $1 AND NOT handled)")
                .bind(self.task.bytes().as_slice())
                .fetch_one(&mut *tx.connection)
                .await?;
        let status: TaskStatus =
            rows::text(&row, 0)?.parse().map_err(|error| rows::corrupt("a status", error))?;
        let wake_at = wake_at(status, Some(tx.now), messages_wait, tx.now);
        sqlx::query(
            "UPDATE tasks SET owner = NULL, instance = NULL, previous = 'RELEASED', barren_lives = 0, \
             lost_from = NULL, fertile = false, wake_at = $1, updated_at = $2 WHERE id = $3",
        )
        .bind(wake_at.map(Timestamp::micros))
        .bind(tx.now.micros())
        .bind(self.task.bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
        if wake_at.is_some() {
            tx.news.woken.push(self.task);
        }
        Ok(())
    }
}

/// The claims of an instance.
pub(super) fn of_instance_text() -> String {
    format!("SELECT {HEAD} FROM tasks t WHERE t.instance = $1 AND t.owner IS NOT NULL")
}

/// Reads one of them.
pub(super) fn held(row: &PgRow) -> Result<Option<Claimed>> {
    let candidate = read(row)?;
    Ok(candidate.life.hold.map(|(_, owner)| candidate.claimed(owner)))
}
