//! What the end of a call says of its dependency.

use std::time::Duration;

use holdfast_types::{Failure, Reason, time};

/// What the end of a call says of its dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It works.
    Success {
        /// How long the call took.
        #[serde(with = "time::millis")]
        took: Duration,
    },
    /// It does not: a failure of transport, of the service, or of its capacity.
    Failure {
        /// How long the call took.
        #[serde(with = "time::millis")]
        took: Duration,
        /// The least time that it asks to be left alone.
        #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
        retry_after: Option<Duration>,
    },
    /// It answered with an error that is the caller's matter: it is alive. Nothing while closed, a success of a
    /// trial.
    Answered,
    /// The end says nothing of it: called off, or never sent.
    Nothing,
}

impl Outcome {
    /// Reads a failed call. The reason decides, not the class: a lost connection counts whether the call was
    /// repeatable or not.
    #[must_use]
    pub fn of_failure(failure: &Failure, took: Duration) -> Self {
        match failure.reason {
            Reason::ConnectFailed
            | Reason::ConnectionLost
            | Reason::DependencyUnavailable
            | Reason::DependencyError
            | Reason::RateLimited
            | Reason::AttemptTimeout
            | Reason::HeartbeatLost
            | Reason::WorkerDied
            | Reason::ToolPanicked => Self::Failure { took, retry_after: failure.retry_after },
            Reason::QuotaExhausted
            | Reason::BadArguments
            | Reason::NotFound
            | Reason::FailedPrecondition
            | Reason::ToolError
            | Reason::ExitCode
            | Reason::BadResult
            | Reason::Malformed
            | Reason::Refused
            | Reason::Unauthenticated
            | Reason::PermissionDenied
            | Reason::Unimplemented
            | Reason::TooLarge => Self::Answered,
            Reason::StepTimeout
            | Reason::TaskDeadline
            | Reason::BadReference
            | Reason::KeyMismatch
            | Reason::KeyInDoubt
            | Reason::StoreRestored
            | Reason::KeyTombstone
            | Reason::KeyExpired
            | Reason::MissingToken
            | Reason::WrongToken
            | Reason::NotGranted
            | Reason::ToolGone
            | Reason::Draining
            | Reason::NoCapacity
            | Reason::CircuitOpen
            | Reason::RetryBudgetExhausted
            | Reason::StaleEpoch
            | Reason::WrongIncarnation
            | Reason::TooLate
            | Reason::Fenced
            | Reason::Poison
            | Reason::CancelledByCaller
            | Reason::CancelledByTask
            | Reason::QuorumLost
            | Reason::ResolvedByPerson
            | Reason::NotApproved
            | Reason::StoreUnavailable
            | Reason::Internal => Self::Nothing,
        }
    }
}
