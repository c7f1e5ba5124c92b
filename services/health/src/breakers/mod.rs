//! The breakers of all dependencies, as a pure machine: reports and time go in, the board that watchers see comes out.

mod board;
mod owned;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_resilience::breaker::{Breaker, Forced, Generation, Outcome, Policy, Position, View};
use holdfast_types::{InstanceId, Timestamp};

pub(crate) use board::{Board, Standing, Trial};
use owned::Owned;

/// How many dependencies and how many instances are kept; what comes beyond is not counted.
const LIMIT: usize = 10_000;

/// A reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Since the service's start, on a clock that never goes back.
    pub(crate) running: Duration,
    /// The wall's.
    pub(crate) wall: Timestamp,
}

/// What one call says of its dependency.
#[derive(Debug, Clone)]
pub(crate) struct CallReport {
    pub(crate) dependency: String,
    pub(crate) outcome: Outcome,
    /// The generation in which it was let through; none: the caller was never told one.
    pub(crate) generation: Option<Generation>,
    pub(crate) kind: CallKind,
}

/// Whether a call was a breaker's trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// It was let through like any other.
    Plain,
    /// It was the trial of a half-open breaker.
    Trial,
    /// It is the trial of a half-open breaker, and begins.
    TrialBegins,
}

/// A breaker's change of position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) dependency: String,
    pub(crate) from: Position,
    pub(crate) to: Position,
}

/// All breakers.
#[derive(Debug)]
pub(crate) struct Breakers {
    policy: Policy,
    incarnation: u64,
    owned: BTreeMap<String, Owned>,
    /// The last report of each instance: a repeat counts once.
    reports: BTreeMap<InstanceId, u64>,
}

impl Breakers {
    /// Makes the machine; `incarnation` is random.
    pub(crate) const fn new(policy: Policy, incarnation: u64) -> Self {
        Self { policy, incarnation, owned: BTreeMap::new(), reports: BTreeMap::new() }
    }

    /// Says whether a report is new, and notes it. The first one of an instance is answered with `Some(First)`.
    pub(crate) fn accept(&mut self, instance: InstanceId, number: u64) -> Option<Acquaintance> {
        match self.reports.get_mut(&instance) {
            Some(last) if number <= *last => None,
            Some(last) => {
                *last = number;
                Some(Acquaintance::Known)
            }
            None => {
                if self.reports.len() >= LIMIT {
                    // Ids sort by time: the oldest instance is the likeliest to be gone.
                    self.reports.pop_first();
                }
                self.reports.insert(instance, number);
                Some(Acquaintance::First)
            }
        }
    }

    /// Takes in how a call of an instance ended.
    pub(crate) fn report(&mut self, instance: InstanceId, call: &CallReport, now: Now) {
        let (policy, incarnation) = (self.policy.clone(), self.incarnation);
        let Some(owned) = self.owned_or(&call.dependency, || Owned::new(policy, incarnation, now)) else {
            return;
        };
        owned.report(instance, call, now);
    }

    /// Starts from what an instance's own breaker knew, where nothing else is known here (PROTOCOL 16).
    pub(crate) fn adopt(&mut self, dependency: &str, view: View, now: Now) {
        if self.owned.get(dependency).is_some_and(|owned| !owned.is_fresh()) {
            return;
        }
        let seed = self.incarnation;
        let breaker = Breaker::rebuilt(self.policy.clone(), self.incarnation, seed, &[view], now.running);
        let rebuilt = Owned::adopted(breaker, now);
        if self.owned.contains_key(dependency) || self.owned.len() < LIMIT {
            self.owned.insert(dependency.to_owned(), rebuilt);
        }
    }

    /// Notes that an instance uses a dependency: it may get its trials.
    pub(crate) fn used(&mut self, instance: InstanceId, dependency: &str, now: Now) {
        if let Some(owned) = self.owned.get_mut(dependency) {
            owned.used(instance);
            owned.tick(now);
        }
    }

    /// Follows an operator's order, or its end (`None`).
    pub(crate) fn force(&mut self, dependency: &str, order: Option<Forced>, now: Now) {
        let (policy, incarnation) = (self.policy.clone(), self.incarnation);
        if let Some(owned) = self.owned_or(dependency, || Owned::new(policy, incarnation, now)) {
            owned.force(order, now);
        }
    }

    /// Does what time alone does, and gives free trials to who lately used their dependency.
    pub(crate) fn tick(&mut self, now: Now) {
        for owned in self.owned.values_mut() {
            owned.tick(now);
        }
    }

    /// Takes the moves of all breakers since the last time; those of one in their order.
    pub(crate) fn take_moves(&mut self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (name, owned) in &mut self.owned {
            let of = |(from, to)| Move { dependency: name.clone(), from, to };
            moves.extend(owned.take_moves().into_iter().map(of));
        }
        moves
    }

    /// When [`tick`](Self::tick) has something to do, since the service's start.
    pub(crate) fn next_timer(&self) -> Option<Duration> {
        self.owned.values().filter_map(Owned::next_timer).min()
    }

    /// What watchers see.
    pub(crate) fn board(&self, now: Now) -> Board {
        self.owned.iter().map(|(name, owned)| (name.clone(), owned.standing(now))).collect()
    }

    fn owned_or(&mut self, dependency: &str, make: impl FnOnce() -> Owned) -> Option<&mut Owned> {
        if !self.owned.contains_key(dependency) {
            if self.owned.len() >= LIMIT {
                return None;
            }
            self.owned.insert(dependency.to_owned(), make());
        }
        self.owned.get_mut(dependency)
    }
}

/// Whether an instance has reported to this start of the service before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquaintance {
    /// It has not: it may know of breakers that are not known here.
    First,
    /// It has.
    Known,
}

#[cfg(test)]
mod tests;
