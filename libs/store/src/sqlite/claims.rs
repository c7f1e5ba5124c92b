//! Claims: tasks that want to be driven go to whoever asks, each to one, under a new epoch.

use async_trait::async_trait;
use holdfast_ports::Result;
use holdfast_types::journal::Claimed;
use holdfast_types::{InstanceId, OwnerId, TaskId, TaskStatus, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::failed::Failed;
use super::rows::{self, LIFE, integer};
use super::values::{Statement, Values, class};
use super::writer::{Tx, Write};
use super::{sessions, turns};
use crate::rules::life::{Life, wake_at};

/// What a claim reads of a task: its number, id and last event, and its life.
pub(super) fn candidate() -> String {
    let life = LIFE.split(", ").map(|column| format!("t.{column}")).collect::<Vec<_>>().join(", ");
    format!("t.no, t.id, t.last_seq, {life}")
}

/// A task whose message waits wakes from its end and from quarantine.
pub(super) const WANTS: &str = "(t.status NOT IN ('FINISHED', 'QUARANTINED') OR EXISTS \
     (SELECT 1 FROM inbox i WHERE i.task = t.no AND i.handled = 0))";

/// Writes claims: what stands before and after their values.
const TAKE: (&str, &str) = (
    "UPDATE tasks SET epoch = column2, owner = column3, instance = column4, previous = column5, \
     barren_lives = column6, lost_from = column7, fertile = 0, wake_at = NULL FROM ",
    " AS v WHERE tasks.no = v.column1",
);

pub(super) struct Candidate {
    no: i64,
    id: TaskId,
    last_seq: u64,
    life: Life,
}

fn read(row: &SqliteRow) -> Result<Candidate> {
    Ok(Candidate {
        no: rows::number(row, 0)?,
        id: rows::task_id(row, 1)?,
        last_seq: rows::number(row, 2)?,
        life: rows::life(row, 3)?,
    })
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
        let connection = tx.open().await?;
        sessions::require(connection, self.instance, now).await?;
        let mut found = lost(connection, now, self.owners.len()).await?;
        let mut last = None;
        if found.len() < self.owners.len() {
            // All claims of dead sessions that want a driver have one now; the others keep nobody's place.
            let room = self.owners.len() - found.len();
            let mut due = due(connection, now, room).await?;
            if due.len() == room {
                // There may be more: then those who have waited longest do not take it all.
                let (mut in_turn, had) = turns::find(connection, now, &self.last, room).await?;
                due.retain(|one| !in_turn.iter().any(|other| other.no == one.no));
                in_turn.append(&mut due);
                in_turn.truncate(room);
                (due, last) = (in_turn, had);
            }
            found.append(&mut due);
            put_to_rest(connection, now).await?;
            sessions::sweep(connection, now).await?;
        }
        Ok((take(connection, found, self.instance, &self.owners).await?, last))
    }
}

/// Tasks of dead sessions that want a driver.
pub(super) fn lost_text() -> String {
    format!(
        "SELECT {} FROM sessions s CROSS JOIN tasks t ON t.instance = s.instance AND t.owner IS NOT NULL \
         WHERE s.until <= ? AND {WANTS} LIMIT ?",
        candidate()
    )
}

async fn lost(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Candidate>, Failed> {
    let rows = sqlx::query(AssertSqlSafe(lost_text()))
        .bind(now.micros())
        .bind(integer(limit as u64))
        .fetch_all(connection)
        .await?;
    Ok(readable(&rows))
}

/// Tasks that nobody holds and whose time has come, the longest waiting first.
pub(super) fn due_text() -> String {
    format!(
        "SELECT {} FROM tasks t WHERE t.owner IS NULL AND t.wake_at <= ? ORDER BY t.wake_at LIMIT ?",
        candidate()
    )
}

async fn due(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Candidate>, Failed> {
    let rows = sqlx::query(AssertSqlSafe(due_text()))
        .bind(now.micros())
        .bind(integer(limit as u64))
        .fetch_all(connection)
        .await?;
    Ok(readable(&rows))
}

/// A row that can't be read keeps its neighbours from nobody.
pub(super) fn readable(rows: &[SqliteRow]) -> Vec<Candidate> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row) {
            Ok(candidate) => found.push(candidate),
            Err(error) => tracing::error!(%error, "a task can't be claimed"),
        }
    }
    found
}

/// Ended and quarantined tasks of dead sessions belong to nobody.
pub(super) fn rest_text() -> String {
    format!(
        "UPDATE tasks AS t SET owner = NULL, instance = NULL, wake_at = NULL, previous = 'LOST' \
         WHERE t.owner IS NOT NULL AND t.instance IN (SELECT instance FROM sessions WHERE until <= ?) \
         AND NOT {WANTS}"
    )
}

async fn put_to_rest(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), Failed> {
    sqlx::query(AssertSqlSafe(rest_text())).bind(now.micros()).execute(connection).await?;
    Ok(())
}

/// Writes the claims, one statement for all.
async fn take(
    connection: &mut SqliteConnection,
    found: Vec<Candidate>,
    instance: InstanceId,
    owners: &[OwnerId],
) -> Result<Vec<Claimed>, Failed> {
    let mut claims = Vec::with_capacity(found.len());
    let mut values = Values::new();
    for (mut candidate, owner) in found.into_iter().zip(owners) {
        candidate.life.begin(instance, *owner);
        values.push([
            candidate.no.into(),
            integer(candidate.life.epoch).into(),
            (*owner.bytes()).into(),
            (*instance.bytes()).into(),
            candidate.life.previous.as_str().into(),
            i64::from(candidate.life.barren_lives).into(),
            candidate.life.lost_from.map(|id| *id.bytes()).into(),
        ]);
        claims.push(candidate.claimed(*owner));
    }
    if !claims.is_empty() {
        let mut statement = Statement::default();
        let rows = class(values.len());
        values.write(&mut statement, TAKE, rows);
        sqlx::query_with(AssertSqlSafe(statement.text), statement.arguments).execute(connection).await?;
    }
    Ok(claims)
}

/// One task, where it wants a driver and has none.
pub(super) fn one_text() -> String {
    format!(
        "SELECT {} FROM tasks t LEFT JOIN sessions s ON s.instance = t.instance WHERE t.id = ?1 AND \
         ((t.owner IS NULL AND t.wake_at <= ?2) OR (t.owner IS NOT NULL AND s.until <= ?2 AND {WANTS}))",
        candidate()
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
        let connection = tx.open().await?;
        sessions::require(connection, self.instance, now).await?;
        let row = sqlx::query(AssertSqlSafe(one_text()))
            .bind(self.task.bytes().as_slice())
            .bind(now.micros())
            .fetch_optional(&mut *connection)
            .await?;
        let found = row.as_ref().map(read).transpose()?;
        let claims = take(connection, found.into_iter().collect(), self.instance, &[self.owner]).await?;
        Ok(claims.into_iter().next())
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
        let now = tx.now;
        let connection = tx.open().await?;
        let row = sqlx::query(
            "SELECT t.no, t.status, EXISTS (SELECT 1 FROM inbox i WHERE i.task = t.no AND i.handled = 0) \
             FROM tasks t WHERE t.id = ? AND t.epoch = ? AND t.owner = ?",
        )
        .bind(self.task.bytes().as_slice())
        .bind(integer(self.epoch))
        .bind(self.owner.bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let status: TaskStatus =
            rows::text(&row, 1)?.parse().map_err(|error| rows::corrupt("a status", error))?;
        let wake_at = wake_at(status, Some(now), rows::number::<u8>(&row, 2)? == 1, now);
        sqlx::query(
            "UPDATE tasks SET owner = NULL, instance = NULL, previous = 'RELEASED', barren_lives = 0, \
             lost_from = NULL, fertile = 0, wake_at = ?, updated_at = ? WHERE no = ?",
        )
        .bind(wake_at.map(Timestamp::micros))
        .bind(now.micros())
        .bind(rows::number::<i64>(&row, 0)?)
        .execute(connection)
        .await?;
        if wake_at.is_some() {
            tx.news.woken.push(self.task);
        }
        Ok(())
    }
}

/// The claims of an instance.
pub(super) fn of_instance_text() -> String {
    format!("SELECT {} FROM tasks t WHERE t.instance = ? AND t.owner IS NOT NULL", candidate())
}

/// Reads one of them.
pub(super) fn held(row: &SqliteRow) -> Result<Option<Claimed>> {
    let candidate = read(row)?;
    Ok(candidate.life.hold.map(|(_, owner)| candidate.claimed(owner)))
}
