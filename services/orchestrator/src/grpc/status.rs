//! Refusals as statuses.

use std::time::Duration;

use holdfast_plan::Findings;
pub(super) use holdfast_rpc::status::of_invalid as invalid;
use holdfast_rpc::status::{Problem, of_port};
use tonic::{Code, Status};

use crate::ApiError;

/// When a full queue is worth another try.
const QUEUE_RETRY: Duration = Duration::from_secs(1);

/// Makes the status of a refusal.
pub(super) fn of(error: ApiError) -> Status {
    let message = error.to_string();
    match error {
        ApiError::Plan(findings) => plan(&findings),
        ApiError::Invalid { field, why } => Problem::invalid(field, why).into(),
        ApiError::Conflict { task } => Problem::refused(Code::AlreadyExists, "ALREADY_EXISTS", message)
            .with("task_id", task.to_string())
            .into(),
        ApiError::QueueFull { limit } => Problem::refused(Code::ResourceExhausted, "QUEUE_FULL", message)
            .with("limit", limit.to_string())
            .retry_after(Some(QUEUE_RETRY))
            .into(),
        ApiError::NotFound { .. } => Problem::refused(Code::NotFound, "NOT_FOUND", message).into(),
        ApiError::Refused { status, .. } => {
            Problem::refused(Code::FailedPrecondition, "FAILED_PRECONDITION", message)
                .with("status", status.as_str())
                .into()
        }
        ApiError::Changed => Problem::refused(Code::Aborted, "CHANGED", message).into(),
        ApiError::OutOfRange { last_seq, .. } => Problem::refused(Code::OutOfRange, "OUT_OF_RANGE", message)
            .with("last_seq", last_seq.to_string())
            .into(),
        ApiError::Unimplemented { .. } => {
            Problem::refused(Code::Unimplemented, "UNIMPLEMENTED", message).into()
        }
        ApiError::Unreadable { .. } => Problem::internal("a journal can't be read", &error).into(),
        ApiError::Store(error) => of_port(error),
    }
}

/// Every finding is a violation, with its path and its place.
pub(super) fn plan(findings: &Findings) -> Status {
    let mut violations = findings.list().iter().map(|finding| {
        let field = if finding.path.is_empty() { "plan".to_owned() } else { finding.path.clone() };
        let place = match (findings.source_name(), finding.place) {
            (Some(source), Some(at)) => format!("{source}:{}:{}: ", at.line, at.column),
            (Some(source), None) => format!("{source}: "),
            (None, Some(at)) => format!("{}:{}: ", at.line, at.column),
            (None, None) => String::new(),
        };
        let hint =
            finding.suggestion.as_ref().map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
        (field, format!("{place}{}{hint}", finding.message))
    });
    let mut problem = Problem::refused(Code::InvalidArgument, "BAD_ARGUMENTS", findings.to_string());
    for (field, why) in violations.by_ref() {
        problem = problem.field(field, why);
    }
    problem.into()
}
