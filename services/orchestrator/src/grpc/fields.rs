//! Fields that several verbs read.

use std::str::FromStr;

use holdfast_proto::convert::fields;
use holdfast_types::{CallId, MessageId, TaskId, TaskStatus};
use tonic::Status;

use super::status;
use crate::{Orchestrator, Sent};

/// How many things a page has where nobody says, and at most (DESIGN section 13).
const PAGE: (u32, u32) = (50, 1_000);

/// Reads a value of a text that must be there.
pub(super) fn text<T>(field: &str, value: &str) -> Result<T, Status>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    fields::text(field, value).map_err(status::invalid)
}

/// Reads a value of a text that may be empty.
pub(super) fn optional<T>(field: &str, value: &str) -> Result<Option<T>, Status>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    fields::text_or_none(field, value).map_err(status::invalid)
}

pub(super) fn task_id(value: &str) -> Result<TaskId, Status> {
    text("task_id", value)
}

pub(super) fn call(value: &str) -> Result<CallId, Status> {
    text("call", value)
}

pub(super) fn message_id(value: &str) -> Result<Option<MessageId>, Status> {
    optional("message_id", value)
}

pub(super) fn page_size(size: u32) -> u32 {
    if size == 0 { PAGE.0 } else { size.min(PAGE.1) }
}

pub(super) fn page_token(token: String) -> Option<String> {
    (!token.is_empty()).then_some(token)
}

pub(super) fn from(by: String) -> Option<String> {
    (!by.is_empty()).then_some(by)
}

/// Stores a message, and returns the task's status as the wire has it.
pub(super) async fn send(orchestrator: &Orchestrator, task: TaskId, sent: Sent) -> Result<i32, Status> {
    let status = orchestrator.send(task, sent).await.map_err(status::of)?;
    Ok(wire_status(status))
}

pub(super) fn wire_status(status: TaskStatus) -> i32 {
    holdfast_proto::v1::TaskStatus::from(status).into()
}
