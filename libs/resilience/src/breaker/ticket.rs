//! What a breaker says: whether a call may be made, and how it moved.

use std::time::Duration;

use super::{Generation, Position};

/// The permission for one call; its outcome comes back with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ticket {
    /// The generation in which the call was let through.
    pub generation: Generation,
    /// The trial that it is, if it is one.
    pub trial: Option<u64>,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted(Ticket),
    /// It may not.
    Refused {
        /// When to ask again; none where only an operator changes it.
        retry_after: Option<Duration>,
    },
}

/// Why a breaker moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// So many failures in a row.
    Consecutive,
    /// The rate of failures.
    FailureRate,
    /// The rate of slow calls.
    SlowRate,
    /// Its open time is over.
    Timer,
    /// A trial failed.
    TrialFailed,
    /// A trial gave no sign in time.
    TrialSilent,
    /// Enough trials succeeded.
    Recovered,
    /// An operator's order, or its being taken back.
    Operator,
    /// The end that an operator's order named.
    OrderEnded,
    /// A peer that decided for itself has it open.
    Peer,
}

/// A move of a breaker, to be told after it is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Where it was.
    pub from: Position,
    /// Where it is now.
    pub to: Position,
    /// Why.
    pub cause: Cause,
    /// The new generation.
    pub generation: Generation,
}
