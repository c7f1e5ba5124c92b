//! What the owner of the breakers publishes: what others show meanwhile, and what the next owner starts from.
//!
//! Durations count from the moment of publication, because clocks differ; `age` says how long ago that was.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_resilience::breaker::{Forced, Position, View};
use holdfast_types::{InstanceId, Timestamp, time};

use super::Command;
use super::board::{Board, Order, Standing, Trial};

/// All breakers that the owner knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Published {
    pub(super) breakers: BTreeMap<String, Record>,
}

/// One breaker.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Record {
    pub(super) view: View,
    /// When it moved last, by its owner's wall clock.
    pub(super) since: Timestamp,
    pub(super) order: Option<OrderRecord>,
    pub(super) trial: Option<TrialRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct OrderRecord {
    reason: String,
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    left: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct TrialRecord {
    instance: InstanceId,
    number: u64,
}

impl Published {
    /// Says whether there is no breaker.
    pub(crate) fn is_empty(&self) -> bool {
        self.breakers.is_empty()
    }

    /// Those alone that hold calls back, or follow an order.
    #[must_use]
    pub(crate) fn that_hold_calls(mut self) -> Self {
        self.breakers.retain(|_, record| record.view.position != Position::Closed);
        self
    }

    /// The same, with nobody's trial: those that were not confirmed may be given by another.
    #[must_use]
    pub(crate) fn without_trials(mut self) -> Self {
        self.breakers.values_mut().for_each(|record| record.trial = None);
        self
    }

    /// The same, as it is after so much time in which nobody decided anything.
    #[must_use]
    pub(crate) fn after(mut self, age: Duration) -> Self {
        for record in self.breakers.values_mut() {
            match &mut record.view.position {
                Position::Open { left } | Position::HalfOpen { left } => *left = left.saturating_sub(age),
                Position::Closed | Position::Forced { .. } => {}
            }
            if let Some(left) = record.order.as_mut().and_then(|order| order.left.as_mut()) {
                *left = left.saturating_sub(age);
            }
        }
        self
    }

    /// What watchers see of it.
    pub(crate) fn board(&self, wall: Timestamp) -> Board {
        self.breakers.iter().map(|(name, record)| (name.clone(), record.standing(wall))).collect()
    }

    /// The trials that are out.
    pub(crate) fn trials(&self) -> BTreeMap<String, Trial> {
        let trial = |(name, record): (&String, &Record)| Some((name.clone(), record.trial?.into()));
        self.breakers.iter().filter_map(trial).collect()
    }
}

impl Record {
    /// `left` is how long until the breaker's timer.
    pub(super) fn of(standing: &Standing, view: View, left: Option<Duration>) -> Self {
        let order = standing
            .order
            .as_ref()
            .map(|order| OrderRecord { reason: order.reason.to_string(), left: order.until.and(left) });
        let trial =
            standing.trial.map(|trial| TrialRecord { instance: trial.instance, number: trial.number });
        Self { view, since: standing.since, order, trial }
    }

    fn standing(&self, wall: Timestamp) -> Standing {
        let order = self.order.as_ref().map(|order| Order {
            reason: order.reason.as_str().into(),
            until: order.left.map(|left| wall.after(left)),
        });
        let retry_at = match self.view.position {
            Position::Open { left } | Position::HalfOpen { left } => Some(wall.after(left)),
            Position::Forced { order: Forced::Open } => order.as_ref().and_then(|order| order.until),
            Position::Closed | Position::Forced { order: Forced::Closed } => None,
        };
        Standing {
            generation: self.view.generation,
            position: self.view.position,
            since: self.since,
            retry_at,
            order,
            trial: self.trial.map(Trial::from),
        }
    }

    /// The operator's order that it follows, as it is to be followed from now on.
    pub(super) fn command(&self) -> Option<Command> {
        let Position::Forced { order } = self.view.position else { return None };
        let (reason, valid_for) = match &self.order {
            Some(record) => (record.reason.as_str().into(), record.left),
            None => ("".into(), None),
        };
        Some(Command::Hold { order, reason, valid_for })
    }
}

impl From<TrialRecord> for Trial {
    fn from(record: TrialRecord) -> Self {
        Self { instance: record.instance, number: record.number }
    }
}
