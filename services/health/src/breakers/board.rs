//! The breakers as watchers see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_resilience::breaker::{Generation, Position};
use holdfast_types::{InstanceId, Timestamp};

/// The breakers by dependency.
pub(crate) type Board = BTreeMap<String, Standing>;

/// One breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) generation: Generation,
    pub(crate) position: Position,
    pub(crate) since: Timestamp,
    /// When it is expected to let a trial through, where that is known.
    pub(crate) retry_at: Option<Timestamp>,
    /// The operator's order that it follows.
    pub(crate) order: Option<Order>,
    /// Who holds the permit for a trial.
    pub(crate) trial: Option<Trial>,
}

/// An operator's order, as all see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) reason: Arc<str>,
    /// When it ends by itself; none: it stands until it is taken back.
    pub(crate) until: Option<Timestamp>,
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
