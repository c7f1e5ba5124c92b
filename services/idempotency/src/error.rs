//! Why a request has no answer of the good kind.

use holdfast_proto::Invalid;
use holdfast_rpc::status::{Problem, of_invalid, of_port};
use holdfast_types::payload::INLINE_LIMIT;
use holdfast_types::{Class, Reason};
use tonic::{Code, Status};

/// Why a request has no answer of the good kind.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A field breaks a rule.
    #[error("the request is not valid")]
    Invalid(#[from] Invalid),
    /// The key table did not answer, or what stands in it can't be read.
    #[error("the key table failed")]
    Keys(#[from] holdfast_ports::Error),
    /// Another token is the current one.
    #[error("the token is not the current one, which is {current}")]
    StaleToken {
        /// The current token.
        current: u64,
    },
    /// The key is not known.
    #[error("the key is not known")]
    UnknownKey,
    /// The same call was seen under a higher epoch.
    #[error("the same call was seen under a higher epoch")]
    StaleEpoch,
    /// The key is open for a call of a task.
    #[error("{why}")]
    HeldByTask {
        /// For which.
        why: String,
    },
    /// The generation that is to be repeated is not the last one, or has not ended.
    #[error("{why}")]
    NotEnded {
        /// Which.
        why: String,
    },
    /// A result or a failure is too large to stand in the key table.
    #[error("{field} has {size} bytes, at most {INLINE_LIMIT} stand in place: {instead}")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// Its size, in bytes.
        size: usize,
        /// What to do instead.
        instead: &'static str,
    },
}

impl Error {
    /// What the key table's error means for who asks for a right: it refuses nothing but a repeat.
    pub(crate) fn of_begin(error: holdfast_ports::Error) -> Self {
        match error {
            holdfast_ports::Error::Stale { why } => Self::NotEnded { why },
            other => Self::Keys(other),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let problem = match error {
            Error::Invalid(invalid) => return of_invalid(invalid),
            Error::Keys(error) => return of_port(error),
            Error::StaleToken { current } => {
                let current = current.to_string();
                Problem::refused(Code::Aborted, "STALE_TOKEN", message)
                    .with("current", current)
                    .class(Class::Semantic)
            }
            // The key is not repeated: keys go neither into logs nor into errors.
            Error::UnknownKey => {
                Problem::refused(Code::NotFound, "NOT_FOUND", message).with("what", "the key")
            }
            Error::StaleEpoch => Problem::refused(Code::Aborted, Reason::StaleEpoch.as_str(), message),
            Error::HeldByTask { .. } | Error::NotEnded { .. } => {
                Problem::refused(Code::FailedPrecondition, Reason::FailedPrecondition.as_str(), message)
            }
            Error::TooLarge { field, size, .. } => {
                Problem::refused(Code::ResourceExhausted, Reason::TooLarge.as_str(), message.clone())
                    .class(Class::Semantic)
                    .field(field, message)
                    .with("what", field)
                    .with("size", size.to_string())
                    .with("limit", INLINE_LIMIT.to_string())
            }
        };
        problem.into()
    }
}
