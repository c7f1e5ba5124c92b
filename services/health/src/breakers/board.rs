//! The breakers as watchers see them.

use std::collections::BTreeMap;

use holdfast_resilience::breaker::{Generation, Position};
use holdfast_types::{InstanceId, Timestamp};

/// The breakers by dependency.
pub(crate) type Board = BTreeMap<String, Standing>;

/// One breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) generation: Generation,
    pub(crate) position: Position,
    pub(crate) since: Timestamp,
    /// When it is expected to let a trial through, where that is known.
    pub(crate) retry_at: Option<Timestamp>,
    /// Who holds the permit for a trial.
    pub(crate) trial: Option<Trial>,
}

/// A permit for one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trial {
    pub(crate) instance: InstanceId,
    pub(crate) number: u64,
}

impl Standing {
    /// Says whether calls pass.
    pub(crate) const fn passes(&self) -> bool {
        use holdfast_resilience::breaker::Forced;
        matches!(self.position, Position::Closed | Position::Forced { order: Forced::Closed })
    }

    /// Says whether somebody who was told `other` has nothing new to hear: times that only run on are no news.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.generation == other.generation && self.trial == other.trial
    }
}
