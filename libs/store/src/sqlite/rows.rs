//! Rows as they stand in the tables, and as the domain knows them. What can't be read is `Corrupt`, never a guess.

use std::str::FromStr;

use holdfast_ports::Result;
use holdfast_types::journal::{EventRow, PreviousLife};
use holdfast_types::task::TaskRow;
use holdfast_types::{InstanceId, MessageId, Namespace, OwnerId, TaskId, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

pub(super) use crate::plain::{corrupt, holder, integer, key_detail, payload, sha256, to_json};
use crate::rules::life::Life;

/// One column, by its position.
fn column<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(index).map_err(|error| corrupt("a row", error))
}

/// Text that stands in a column, without a copy.
pub(super) fn text(row: &SqliteRow, index: usize) -> Result<&str> {
    column(row, index)
}

/// A number that is never negative.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, index: usize) -> Result<T> {
    let value: i64 = column(row, index)?;
    T::try_from(value).map_err(|_| corrupt("a number", value))
}

pub(super) fn time(row: &SqliteRow, index: usize) -> Result<Timestamp> {
    column(row, index).map(Timestamp::from_micros)
}

pub(super) fn opt_time(row: &SqliteRow, index: usize) -> Result<Option<Timestamp>> {
    Ok(column::<Option<i64>>(row, index)?.map(Timestamp::from_micros))
}

fn opt_uuid(row: &SqliteRow, index: usize) -> Result<Option<Uuid>> {
    let bytes: Option<&[u8]> = column(row, index)?;
    bytes.map(|bytes| Uuid::from_slice(bytes).map_err(|error| corrupt("an id", error))).transpose()
}

fn uuid(row: &SqliteRow, index: usize) -> Result<Uuid> {
    opt_uuid(row, index)?.ok_or_else(|| corrupt("an id", "null"))
}

pub(super) fn task_id(row: &SqliteRow, index: usize) -> Result<TaskId> {
    uuid(row, index).map(TaskId::from_uuid)
}

pub(super) fn message_id(row: &SqliteRow, index: usize) -> Result<MessageId> {
    uuid(row, index).map(MessageId::from_uuid)
}

/// A value of a closed list.
fn listed<T: FromStr<Err: std::fmt::Display>>(row: &SqliteRow, index: usize) -> Result<T> {
    text(row, index)?.parse().map_err(|error| corrupt("a name", error))
}

fn opt_listed<T: FromStr<Err: std::fmt::Display>>(row: &SqliteRow, index: usize) -> Result<Option<T>> {
    let name: Option<&str> = column(row, index)?;
    name.map(|name| name.parse().map_err(|error| corrupt("a name", error))).transpose()
}

/// JSON that stands in a column.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, index: usize) -> Result<T> {
    serde_json::from_str(text(row, index)?).map_err(|error| corrupt("a row's JSON", error))
}

/// The columns of [`event`].
pub(super) const EVENT: &str = "seq, epoch, at, kind, v, body";

pub(super) fn event(row: &SqliteRow) -> Result<EventRow> {
    Ok(EventRow {
        seq: number(row, 0)?,
        epoch: number(row, 1)?,
        at: time(row, 2)?,
        kind: column(row, 3)?,
        v: number(row, 4)?,
        body: column(row, 5)?,
    })
}

/// The columns of [`life`], from `epoch` on.
pub(super) const LIFE: &str = "epoch, owner, instance, previous, fertile, barren_lives, lost_from";

/// Reads a life whose columns begin at `at`.
pub(super) fn life(row: &SqliteRow, at: usize) -> Result<Life> {
    let owner = opt_uuid(row, at + 1)?.map(OwnerId::from_uuid);
    let instance = opt_uuid(row, at + 2)?.map(InstanceId::from_uuid);
    Ok(Life {
        epoch: number(row, at)?,
        hold: instance.zip(owner),
        previous: listed::<PreviousLife>(row, at + 3)?,
        fertile: column::<i64>(row, at + 4)? != 0,
        barren_lives: number(row, at + 5)?,
        lost_from: opt_uuid(row, at + 6)?.map(InstanceId::from_uuid),
    })
}

/// The columns of [`task`].
pub(super) const TASK: &str = "id, namespace, name, labels, digest, status, outcome, waits_for, epoch, owner, \
     last_seq, wake_at, submitted_at, updated_at, finished_at, barren_lives, no";

pub(super) fn task(row: &SqliteRow) -> Result<TaskRow> {
    Ok(TaskRow {
        id: task_id(row, 0)?,
        namespace: namespace(row, 1)?,
        name: column(row, 2)?,
        labels: json(row, 3)?,
        digest: column(row, 4)?,
        status: listed(row, 5)?,
        outcome: opt_listed(row, 6)?,
        waits_for: opt_listed(row, 7)?,
        epoch: number(row, 8)?,
        owner: opt_uuid(row, 9)?.map(OwnerId::from_uuid),
        last_seq: number(row, 10)?,
        wake_at: opt_time(row, 11)?,
        submitted_at: time(row, 12)?,
        updated_at: time(row, 13)?,
        finished_at: opt_time(row, 14)?,
        barren_lives: number(row, 15)?,
    })
}

pub(super) fn namespace(row: &SqliteRow, index: usize) -> Result<Namespace> {
    Namespace::try_new(text(row, index)?).map_err(|error| corrupt("a namespace", error))
}
