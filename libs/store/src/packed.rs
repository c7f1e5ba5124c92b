//! Rows of tasks and keys that come as JSON arrays, the same from every backend: one row, or all of a question in one
//! text.

use std::borrow::Cow;

use holdfast_ports::Result;
use holdfast_types::journal::PreviousLife;
use holdfast_types::key::{Holder, Key, KeyRow, KeyState};
use holdfast_types::task::WaitReason;
use holdfast_types::{AppendId, InstanceId, OwnerId, TaskId, TaskOutcome, TaskStatus, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::plain::corrupt;
use crate::rules::append::Head;
use crate::rules::keys::Entry;
use crate::rules::life::Life;

#[derive(serde::Deserialize)]
struct HeadCells<'a>(
    i64,
    &'a str,
    u64,
    &'a str,
    &'a str,
    PreviousLife,
    u8,
    u32,
    &'a str,
    u64,
    &'a str,
    TaskStatus,
    Option<TaskOutcome>,
    Option<WaitReason>,
    Option<Timestamp>,
    Option<Timestamp>,
);

#[derive(serde::Deserialize)]
struct KeyCells<'a>(
    #[serde(borrow)] Cow<'a, str>,
    u32,
    &'a str,
    #[serde(borrow)] Cow<'a, str>,
    &'a str,
    #[serde(borrow)] Cow<'a, str>,
    u64,
    u64,
    u32,
    #[serde(borrow)] Cow<'a, str>,
    &'a str,
    #[serde(borrow)] Option<Cow<'a, str>>,
    Option<Timestamp>,
    Timestamp,
    Timestamp,
    Option<Timestamp>,
    u32,
    u8,
);

/// The rows of one answer, each still a text of its own: one that can't be read spoils no other.
pub(crate) fn split(array: &str) -> Result<Vec<&RawValue>> {
    serde_json::from_str(array).map_err(|error| corrupt("rows", error))
}

/// A row's first or second cell, where the row as a whole can't be read.
pub(crate) fn name(row: &str, cell: usize) -> Option<String> {
    let cells: Vec<serde_json::Value> = serde_json::from_str(row).ok()?;
    cells.get(cell)?.as_str().map(str::to_owned)
}

/// Reads a task's number, its id and its head.
pub(crate) fn head(row: &str) -> Result<(i64, TaskId, Head)> {
    let cells: HeadCells<'_> = serde_json::from_str(row).map_err(|error| corrupt("a task's row", error))?;
    let owner = id(cells.3)?.map(OwnerId::from_uuid);
    let instance = id(cells.4)?.map(InstanceId::from_uuid);
    let head = Head {
        life: Life {
            epoch: cells.2,
            hold: instance.zip(owner),
            previous: cells.5,
            fertile: cells.6 != 0,
            barren_lives: cells.7,
            lost_from: id(cells.8)?.map(InstanceId::from_uuid),
        },
        last_seq: cells.9,
        last_append: id(cells.10)?.map(AppendId::from_uuid),
        status: cells.11,
        outcome: cells.12,
        waits_for: cells.13,
        wake_at: cells.14,
        finished_at: cells.15,
    };
    Ok((cells.0, task_id(cells.1)?, head))
}

/// Reads a key's row.
pub(crate) fn key(row: &str) -> Result<Entry> {
    let cells: KeyCells<'_> = serde_json::from_str(row).map_err(|error| corrupt("a key's row", error))?;
    Ok(Entry {
        row: KeyRow {
            key: Key::try_new(cells.0).map_err(|error| corrupt("a key", error))?,
            generation: cells.1,
            holder: holder(cells.2, &cells.3)?,
            epoch: cells.6,
            token: cells.7,
            attempts: cells.8,
            fingerprint: cells.9.into_owned(),
            state: state(cells.10, cells.11.as_deref())?,
            lease_until: cells.12,
            since: cells.13,
            changed_at: cells.14,
            keep_until: cells.15,
            answered: cells.16,
        },
        first: holder(cells.4, &cells.5)?,
        pinned: cells.17 != 0,
    })
}

/// An id in hexadecimal; a null is an empty text.
fn id(hexadecimal: &str) -> Result<Option<Uuid>> {
    if hexadecimal.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(hexadecimal).map(Some).map_err(|error| corrupt("an id", error))
}

/// A task's id in hexadecimal.
pub(crate) fn task_id(hexadecimal: &str) -> Result<TaskId> {
    id(hexadecimal)?.map(TaskId::from_uuid).ok_or_else(|| corrupt("an id", "it is empty"))
}

fn holder(task: &str, name: &str) -> Result<Holder> {
    Ok(match id(task)? {
        None => Holder::Foreign(name.to_owned()),
        Some(task) => Holder::Call {
            task: TaskId::from_uuid(task),
            call: name.parse().map_err(|error| corrupt("a call", error))?,
        },
    })
}

fn state(name: &str, detail: Option<&str>) -> Result<KeyState> {
    let broken = |error| corrupt("a key's detail", error);
    let detail = detail.unwrap_or_default();
    Ok(match name {
        "OPEN" => KeyState::Open,
        "IN_DOUBT" => KeyState::InDoubt,
        "TOMBSTONE" => KeyState::Tombstone,
        "DONE" => KeyState::Done { result: serde_json::from_str(detail).map_err(broken)? },
        "FAILED_FINAL" => KeyState::FailedFinal { failure: serde_json::from_str(detail).map_err(broken)? },
        other => return Err(corrupt("a key's state", other)),
    })
}
