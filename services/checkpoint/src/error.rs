//! Why a request has no answer of the good kind.

use holdfast_proto::Invalid;
use holdfast_rpc::status::{Problem, of_invalid, of_port};
use holdfast_types::{Class, Reason};
use tonic::{Code, Status};

/// Why a request has no answer of the good kind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field breaks a rule.
    #[error("the request is not valid")]
    Invalid(#[from] Invalid),
    /// The store did not answer, or refuses.
    #[error("the store failed")]
    Store(#[from] holdfast_ports::Error),
    /// The caller's stream broke.
    #[error("the request's stream ended")]
    Stream(#[from] Status),
    /// What the request builds on is not so.
    #[error("{0}")]
    Precondition(String),
    /// Something else is there under that name.
    #[error("{0}")]
    Exists(String),
    /// A snapshot is of an event that the journal does not have.
    #[error("{field}: {why}")]
    OutOfRange {
        /// The field.
        field: String,
        /// What would be right.
        why: String,
    },
    /// Stored content is not what it was.
    #[error("{what} can't be read")]
    DataLoss {
        /// What.
        what: String,
    },
    /// Larger than a limit.
    #[error("{field} has {size} bytes, at most {limit} are allowed{instead}")]
    TooLarge {
        /// Which field.
        field: String,
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
        /// What to do instead, or nothing.
        instead: &'static str,
    },
}

impl Error {
    /// A store that says "stale" says that a precondition does not hold.
    pub(crate) fn or_precondition(error: holdfast_ports::Error) -> Self {
        match error {
            holdfast_ports::Error::Stale { why } => Self::Precondition(why),
            other => Self::Store(other),
        }
    }

    /// A store that says "stale" says that something else is there.
    pub(crate) fn or_exists(error: holdfast_ports::Error) -> Self {
        match error {
            holdfast_ports::Error::Stale { why } => Self::Exists(why),
            other => Self::Store(other),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let problem = match error {
            Error::Invalid(invalid) => return of_invalid(invalid),
            Error::Store(error) => return of_port(error),
            Error::Stream(status) => return status,
            Error::Precondition(_) => {
                Problem::refused(Code::FailedPrecondition, Reason::FailedPrecondition.as_str(), message)
            }
            Error::Exists(_) => Problem::refused(Code::AlreadyExists, "ALREADY_EXISTS", message),
            Error::OutOfRange { field, why } => {
                Problem::refused(Code::OutOfRange, "OUT_OF_RANGE", message).field(field, why)
            }
            Error::DataLoss { what } => {
                Problem::refused(Code::DataLoss, "CORRUPT", message).with("what", what)
            }
            Error::TooLarge { field, size, limit, .. } => {
                Problem::refused(Code::ResourceExhausted, Reason::TooLarge.as_str(), message.clone())
                    .class(Class::Semantic)
                    .field(field.clone(), message)
                    .with("what", field)
                    .with("size", size.to_string())
                    .with("limit", limit.to_string())
            }
        };
        problem.into()
    }
}
