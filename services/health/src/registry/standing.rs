//! What is known of one worker's life.

use holdfast_types::Timestamp;

/// How a call back went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// It came through the executor's queue.
    Proven(Timestamp),
    /// The queue is full: the worker answers, but this proves nothing of its work.
    Busy,
    /// It did not.
    Missed,
}

/// What is known of one worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts as alive.
    Live {
        /// When it last proved that it takes work.
        proven_at: Timestamp,
        /// How many calls back have failed since.
        missed: u32,
    },
    /// It does not answer. It may come back: a call back that succeeds says so.
    Lost,
}

impl Standing {
    pub(crate) const fn proven(at: Timestamp) -> Self {
        Self::Live { proven_at: at, missed: 0 }
    }

    /// The standing after a call back; `limit` failures in a row end a life.
    pub(crate) const fn after(self, check: Check, limit: u32) -> Self {
        match (self, check) {
            (_, Check::Proven(at)) => Self::proven(at),
            (standing, Check::Busy) => standing,
            (Self::Live { proven_at, missed }, Check::Missed) if missed + 1 < limit => {
                Self::Live { proven_at, missed: missed + 1 }
            }
            (Self::Live { .. } | Self::Lost, Check::Missed) => Self::Lost,
        }
    }

    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Live { .. })
    }

    pub(crate) const fn proven_at(self) -> Option<Timestamp> {
        match self {
            Self::Live { proven_at, .. } => Some(proven_at),
            Self::Lost => None,
        }
    }
}
