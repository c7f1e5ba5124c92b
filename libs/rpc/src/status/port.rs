//! Errors of ports as a status, and back.

use holdfast_ports::Error;
use holdfast_types::{Effect, Reason};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::bounds::cut;
use super::problem::{DOMAIN, Problem};

const WHAT: &str = "what";
const SIZE: &str = "size";
const LIMIT: &str = "limit";
const CORRUPT: &str = "CORRUPT";
const STALE: &str = "STALE";
const STALE_TOKEN: &str = "STALE_TOKEN";
const CURRENT: &str = "current";

/// Makes the status of a port's error. Why a store is not available or not readable goes to the log.
#[must_use]
pub fn of_port(error: Error) -> Status {
    match error {
        Error::Unavailable { what, why, retry_after } => {
            tracing::warn!(what, why, "store is not available");
            Problem::refused(
                Code::Unavailable,
                Reason::StoreUnavailable.as_str(),
                "the store is not available",
            )
            .effect(Effect::Unknown)
            .retry_after(retry_after)
        }
        Error::NotFound { what } => {
            Problem::refused(Code::NotFound, Reason::NotFound.as_str(), format!("{what} not found"))
                .with(WHAT, what)
        }
        Error::Invalid { field, why } => Problem::invalid(field, why),
        Error::TooLarge { ref what, size, limit } => {
            Problem::refused(Code::ResourceExhausted, Reason::TooLarge.as_str(), error.to_string())
                .with(WHAT, what)
                .with(SIZE, size.to_string())
                .with(LIMIT, limit.to_string())
        }
        Error::Stale { why } => Problem::refused(Code::Aborted, STALE, why),
        Error::Corrupt { what, why } => {
            tracing::error!(what, why, "stored data can't be read");
            Problem::refused(Code::Internal, CORRUPT, format!("{what} can't be read")).with(WHAT, what)
        }
    }
    .into()
}

/// Reads the error of a remote port from a status; `what` names the verb, for people.
#[must_use]
pub fn to_port(status: &Status, what: &'static str) -> Error {
    let details = status.get_error_details();
    own(status, &details).unwrap_or_else(|| by_code(status, &details, what))
}

/// The current token, where a status says that another one is not it.
pub(crate) fn current_token(status: &Status) -> Option<u64> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN && info.reason == STALE_TOKEN)?;
    info.metadata.get(CURRENT)?.parse().ok()
}

/// Says whether a server's gate refused a call: its token is missing or wrong, and no service has seen it.
pub(crate) fn is_locked_out(status: &Status) -> bool {
    has_reason(status, Reason::MissingToken) || has_reason(status, Reason::WrongToken)
}

/// Says whether a status of Holdfast's has a reason.
pub(crate) fn has_reason(status: &Status, reason: Reason) -> bool {
    let details = status.get_error_details();
    details.error_info().is_some_and(|info| info.domain == DOMAIN && info.reason == reason.as_str())
}

fn own(status: &Status, details: &ErrorDetails) -> Option<Error> {
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    let text = |name: &str| info.metadata.get(name).cloned();
    let number = |name: &str| info.metadata.get(name)?.parse().ok();
    match (status.code(), info.reason.as_str()) {
        (Code::NotFound, _) => Some(Error::NotFound { what: text(WHAT)? }),
        (Code::ResourceExhausted, "TOO_LARGE") => {
            Some(Error::TooLarge { what: text(WHAT)?, size: number(SIZE)?, limit: number(LIMIT)? })
        }
        (Code::Internal | Code::DataLoss, CORRUPT) => {
            Some(Error::Corrupt { what: text(WHAT)?, why: "see the store's log".into() })
        }
        _ => None,
    }
}

fn by_code(status: &Status, details: &ErrorDetails, what: &'static str) -> Error {
    let message = cut(status.message(), 300);
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => {
            let violation = details.bad_request().and_then(|bad| bad.field_violations.first());
            let (field, why) = match violation {
                Some(violation) => (violation.field.clone(), violation.description.clone()),
                None => (what.to_owned(), message),
            };
            Error::Invalid { field, why }
        }
        Code::NotFound => Error::NotFound { what: what.to_owned() },
        Code::Aborted | Code::FailedPrecondition | Code::AlreadyExists => Error::Stale { why: message },
        // Members whose tokens differ are no fault of the request: it is mended while the caller waits.
        Code::Unauthenticated if is_locked_out(status) => {
            Error::Unavailable { what, why: message, retry_after: None }
        }
        Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated => {
            Error::Invalid { field: what.to_owned(), why: message }
        }
        _ => Error::Unavailable {
            what,
            why: if message.is_empty() { status.code().description().to_owned() } else { message },
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn port_errors_round_trip_but_for_internal_text() {
        let secret = "postgres://admin:hunter2@db/holdfast";
        let errors = [
            Error::NotFound { what: "task task_1".into() },
            Error::Invalid { field: "page.token".into(), why: "not of this store".into() },
            Error::TooLarge { what: "blob".into(), size: 70, limit: 64 },
            Error::Stale { why: "the task is at epoch 7".into() },
        ];
        for error in errors {
            assert_eq!(format!("{:?}", to_port(&of_port(error.clone()), "load")), format!("{error:?}"));
        }
        let hidden = of_port(Error::Unavailable {
            what: "load",
            why: secret.into(),
            retry_after: Some(Duration::from_secs(2)),
        });
        assert!(!format!("{hidden:?}").contains("hunter2"));
        let read = to_port(&hidden, "load");
        assert!(
            matches!(read, Error::Unavailable { retry_after: Some(wait), .. } if wait == Duration::from_secs(2))
        );
        let corrupt =
            to_port(&of_port(Error::Corrupt { what: "event 3".into(), why: secret.into() }), "load");
        assert!(
            matches!(corrupt, Error::Corrupt { what, why } if what == "event 3" && !why.contains("hunter2"))
        );
    }
}
