//! Why a registration or a request is refused.

use holdfast_rpc::status::Problem;
use holdfast_types::{Failure, ToolName, WorkerId};
use tonic::{Code, Status};

/// Why a registration or a request is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A worker names one tool twice.
    #[error("tool '{tool}' is there twice")]
    SameTool {
        /// The tool.
        tool: ToolName,
    },
    /// A worker's address can't be called.
    #[error("'{address}' is not HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// A worker could not be called back.
    #[error("{worker} can't be called back at {address}: {}", .failure.message)]
    NotReached {
        /// The worker.
        worker: WorkerId,
        /// Where it said it would be.
        address: String,
        /// Why.
        #[source]
        failure: Box<Failure>,
    },
    /// No tool or dependency of that name was ever seen.
    #[error("no tool or dependency '{name}' was ever seen")]
    UnknownDependency {
        /// The name.
        name: String,
    },
    /// The replica that decides has not confirmed an order in time.
    #[error("the replica that decides about '{name}' has not confirmed the order yet; ask again")]
    NotConfirmed {
        /// The dependency.
        name: String,
    },
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::SameTool { .. } => Problem::refused(Code::AlreadyExists, "SAME_TOOL", message),
            Error::Address { .. } => Problem::invalid("worker.address", message),
            Error::NotReached { .. } => Problem::refused(Code::FailedPrecondition, "NOT_REACHED", message),
            Error::UnknownDependency { .. } => Problem::refused(Code::NotFound, "NOT_FOUND", message),
            Error::NotConfirmed { .. } => Problem::refused(Code::Unavailable, "NOT_CONFIRMED", message),
        }
        .into()
    }
}
