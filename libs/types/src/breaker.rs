//! A breaker as others see it: what its owner publishes, and what a new owner or a follower starts from.

use std::time::Duration;

use crate::time;

/// Which life of a breaker a call was let through in. Compared for equality only: a restarted owner has another
/// incarnation, so that no outcome of the old one meets its numbers (PROTOCOL 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Generation {
    /// Random, new with each start of the owner.
    pub incarnation: u64,
    /// Raised by each transition.
    pub number: u64,
}

/// What an operator has ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Forced {
    /// Nothing is let through.
    Open,
    /// Everything is let through.
    Closed,
}

/// Where a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Position {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open {
        /// For how long yet.
        #[serde(with = "time::millis")]
        left: Duration,
    },
    /// One trial at a time goes through.
    HalfOpen {
        /// When the next trial may be free; zero: now.
        #[serde(with = "time::millis")]
        left: Duration,
    },
    /// As an operator ordered; timers and outcomes change nothing.
    Forced {
        /// The order.
        order: Forced,
    },
}

/// A breaker as others see it. Durations only, because clocks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct View {
    /// Its generation.
    pub generation: Generation,
    /// Where it is.
    pub position: Position,
    /// How many times it opened without sustained health between.
    pub level: u32,
}
