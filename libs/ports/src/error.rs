//! What can go wrong at a port, whatever stands behind it.

use std::time::Duration;

/// The result of a port's verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of what stands behind a port.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It can't be reached or is busy; the same request may be sent again.
    #[error("{what} is not available: {why}")]
    Unavailable {
        /// Which verb on what.
        what: &'static str,
        /// Why, without secrets.
        why: String,
        /// The least time to wait, where it is known.
        retry_after: Option<Duration>,
    },
    /// What was asked for does not exist.
    #[error("{what} not found")]
    NotFound {
        /// What.
        what: String,
    },
    /// The request breaks a rule.
    #[error("{field}: {why}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Larger than a limit.
    #[error("{what} has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// What.
        what: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The caller's epoch, lease or token is not the current one.
    #[error("stale: {why}")]
    Stale {
        /// What is current.
        why: String,
    },
    /// What is stored can't be read: an unknown kind, a newer version, a broken row.
    #[error("{what} can't be read: {why}")]
    Corrupt {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// Says whether the same request may be sent again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
