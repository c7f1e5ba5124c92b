//! Rows as they stand in the tables, and as the domain knows them. What can't be read is `Corrupt`, never a guess.

use std::str::FromStr;

use holdfast_ports::Result;
use holdfast_types::journal::EventRow;
use holdfast_types::task::TaskRow;
use holdfast_types::{MessageId, Namespace, OwnerId, TaskId, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

pub(super) use crate::plain::{corrupt, holder, integer, key_detail, payload, sha256, to_json};

/// One column, by its position.
fn column<'r, T>(row: &'r PgRow, index: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(index).map_err(|error| corrupt("a row", error))
}

/// Text that stands in a column, without a copy.
pub(super) fn text(row: &PgRow, index: usize) -> Result<&str> {
    column(row, index)
}

/// A number that is never negative.
pub(super) fn number<T: TryFrom<i64>>(row: &PgRow, index: usize) -> Result<T> {
    let value: i64 = column(row, index)?;
    T::try_from(value).map_err(|_| corrupt("a number", value))
}

/// Bytes.
pub(super) fn bytes(row: &PgRow, index: usize) -> Result<Vec<u8>> {
    column(row, index)
}

/// Yes or no.
pub(super) fn flag(row: &PgRow, index: usize) -> Result<bool> {
    column(row, index)
}

pub(super) fn time(row: &PgRow, index: usize) -> Result<Timestamp> {
    column(row, index).map(Timestamp::from_micros)
}

pub(super) fn opt_time(row: &PgRow, index: usize) -> Result<Option<Timestamp>> {
    Ok(column::<Option<i64>>(row, index)?.map(Timestamp::from_micros))
}

fn opt_uuid(row: &PgRow, index: usize) -> Result<Option<Uuid>> {
    let bytes: Option<&[u8]> = column(row, index)?;
    bytes.map(|bytes| Uuid::from_slice(bytes).map_err(|error| corrupt("an id", error))).transpose()
}

fn uuid(row: &PgRow, index: usize) -> Result<Uuid> {
    opt_uuid(row, index)?.ok_or_else(|| corrupt("an id", "null"))
}

pub(super) fn task_id(row: &PgRow, index: usize) -> Result<TaskId> {
    uuid(row, index).map(TaskId::from_uuid)
}

pub(super) fn message_id(row: &PgRow, index: usize) -> Result<MessageId> {
    uuid(row, index).map(MessageId::from_uuid)
}

/// A value of a closed list.
fn listed<T: FromStr<Err: std::fmt::Display>>(row: &PgRow, index: usize) -> Result<T> {
    text(row, index)?.parse().map_err(|error| corrupt("a name", error))
}

fn opt_listed<T: FromStr<Err: std::fmt::Display>>(row: &PgRow, index: usize) -> Result<Option<T>> {
    let name: Option<&str> = column(row, index)?;
    name.map(|name| name.parse().map_err(|error| corrupt("a name", error))).transpose()
}

/// JSON that stands in a column.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &PgRow, index: usize) -> Result<T> {
    serde_json::from_str(text(row, index)?).map_err(|error| corrupt("a row's JSON", error))
}

/// The columns of [`event`].
pub(super) const EVENT: &str = "seq, epoch, at, kind, v, body";

pub(super) fn event(row: &PgRow) -> Result<EventRow> {
    Ok(EventRow {
        seq: number(row, 0)?,
        epoch: number(row, 1)?,
        at: time(row, 2)?,
        kind: column(row, 3)?,
        v: number(row, 4)?,
        body: column(row, 5)?,
    })
}

/// What [`crate::packed::head`] reads, of tasks as `t`.
pub(super) const HEAD: &str = "json_build_array(0, encode(t.id, 'hex'), t.epoch, \
     coalesce(encode(t.owner, 'hex'), ''), coalesce(encode(t.instance, 'hex'), ''), t.previous, \
     CASE WHEN t.fertile THEN 1 ELSE 0 END, t.barren_lives, coalesce(encode(t.lost_from, 'hex'), ''), t.last_seq, \
     coalesce(encode(t.last_append, 'hex'), ''), t.status, t.outcome, t.waits_for, t.wake_at, t.finished_at)::text";

/// What [`crate::packed::key`] reads, of keys as `k`.
pub(super) const KEY: &str = "json_build_array(k.key, k.generation, coalesce(encode(k.holder_task, 'hex'), ''), \
     k.holder_name, coalesce(encode(k.first_task, 'hex'), ''), k.first_name, k.epoch, k.token, k.attempts, \
     k.fingerprint, k.state, k.detail, k.lease_until, k.since, k.changed_at, k.keep_until, k.answered, \
     CASE WHEN k.pinned THEN 1 ELSE 0 END)::text";

/// The columns of [`task`].
pub(super) const TASK: &str = "id, namespace, name, labels::text, digest, status, outcome, waits_for, epoch, owner, \
     last_seq, wake_at, submitted_at, updated_at, finished_at, barren_lives";

pub(super) fn task(row: &PgRow) -> Result<TaskRow> {
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

pub(super) fn namespace(row: &PgRow, index: usize) -> Result<Namespace> {
    Namespace::try_new(text(row, index)?).map_err(|error| corrupt("a namespace", error))
}
