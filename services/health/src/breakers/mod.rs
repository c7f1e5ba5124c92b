//! The breakers of all dependencies, as a pure machine: reports and time go in, the board that watchers see comes out.

mod board;
mod owned;
mod published;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_resilience::breaker::{Breaker, Forced, Generation, Outcome, Policies, Position, View};
use holdfast_types::{InstanceId, Timestamp, time};

pub(crate) use board::{Board, Standing, Trial};
use owned::Owned;
pub(crate) use published::Published;

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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct CallReport {
    pub(crate) dependency: String,
    pub(crate) outcome: Outcome,
    /// The generation in which it was let through; none: the caller was never told one.
    pub(crate) generation: Option<Generation>,
    pub(crate) kind: CallKind,
}

/// Whether a call was a breaker's trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum CallKind {
    /// It was let through like any other.
    Plain,
    /// It was the trial of a half-open breaker.
    Trial,
    /// It is the trial, and begins.
    TrialBegun,
}

/// What an operator says of a breaker.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Command {
    /// It is held.
    Hold {
        order: Forced,
        reason: Arc<str>,
        /// How long; none: until it is let go.
        #[serde(default, with = "time::opt_millis")]
        valid_for: Option<Duration>,
    },
    /// It decides by itself again.
    LetGo,
}

/// What an instance's own breaker knows that matters to a new owner.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Known {
    /// It is open, or half-open.
    Open(View),
    /// An operator's order.
    Ordered(Command),
}

/// What an instance reports of breakers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Said {
    pub(crate) instance: InstanceId,
    /// The report's number: a repeat counts once.
    pub(crate) number: u64,
    /// What its own breakers know.
    pub(crate) known: Vec<(String, Known)>,
    /// How its calls ended.
    pub(crate) calls: Vec<CallReport>,
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
    policies: Policies,
    incarnation: u64,
    owned: BTreeMap<String, Owned>,
    /// The last report of each instance: a repeat counts once.
    reports: BTreeMap<InstanceId, u64>,
    /// The instances that watch: who may be asked for a trial.
    present: BTreeSet<InstanceId>,
}

impl Breakers {
    /// Makes the machine; `incarnation` is random.
    pub(crate) fn new(policies: impl Into<Policies>, incarnation: u64) -> Self {
        Self {
            policies: policies.into(),
            incarnation,
            owned: BTreeMap::new(),
            reports: BTreeMap::new(),
            present: BTreeSet::new(),
        }
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

    /// Takes in a report that was accepted.
    pub(crate) fn hear(&mut self, said: &Said, now: Now) {
        for (dependency, known) in &said.known {
            match known {
                Known::Open(view) => self.adopt(dependency, *view, now),
                Known::Ordered(command) => self.adopt_order(dependency, command, now),
            }
            // It may get its trials.
            if let Some(owned) = self.owned.get_mut(dependency) {
                owned.used(said.instance);
                owned.tick(&self.present, now);
            }
        }
        for call in &said.calls {
            self.report(said.instance, call, now);
        }
    }

    /// Takes in how a call of an instance ended.
    fn report(&mut self, instance: InstanceId, call: &CallReport, now: Now) {
        let (policy, incarnation) = (self.policies.of(&call.dependency).clone(), self.incarnation);
        let present = std::mem::take(&mut self.present);
        if let Some(owned) = self.owned_or(&call.dependency, || Owned::new(policy, incarnation, now)) {
            owned.report(instance, call, &present, now);
        }
        self.present = present;
    }

    /// Starts from what an instance's own breaker knew, where nothing else is known here (PROTOCOL 16).
    fn adopt(&mut self, dependency: &str, view: View, now: Now) {
        if self.owned.get(dependency).is_some_and(|owned| !owned.is_fresh()) {
            return;
        }
        let seed = self.incarnation;
        let breaker = Breaker::rebuilt(
            self.policies.of(dependency).clone(),
            self.incarnation,
            seed,
            &[view],
            now.running,
        );
        let rebuilt = Owned::adopted(breaker, now);
        if self.owned.contains_key(dependency) || self.owned.len() < LIMIT {
            self.owned.insert(dependency.to_owned(), rebuilt);
        }
    }

    /// Follows an order that an instance was told of, where nothing else is known here.
    fn adopt_order(&mut self, dependency: &str, command: &Command, now: Now) {
        if self.owned.get(dependency).is_none_or(Owned::is_fresh) {
            self.force(dependency, command, now);
        }
    }

    /// Does what an operator says.
    pub(crate) fn force(&mut self, dependency: &str, command: &Command, now: Now) {
        let (policy, incarnation) = (self.policies.of(dependency).clone(), self.incarnation);
        if let Some(owned) = self.owned_or(dependency, || Owned::new(policy, incarnation, now)) {
            owned.force(command, now);
        }
    }

    /// Does what time alone does, and gives free trials to who lately used their dependency.
    pub(crate) fn tick(&mut self, now: Now) {
        for owned in self.owned.values_mut() {
            owned.tick(&self.present, now);
        }
    }

    /// Says which instances watch.
    pub(crate) fn set_present(&mut self, present: BTreeSet<InstanceId>) {
        self.present = present;
    }

    /// What the owner publishes.
    pub(crate) fn publish(&self, now: Now) -> Published {
        let record = |(name, owned): (&String, &Owned)| (name.clone(), owned.record(now));
        Published { breakers: self.owned.iter().map(record).collect() }
    }

    /// Starts as the next owner, under a new incarnation: what was open stays open, and an operator's order stands.
    pub(crate) fn take_over(&mut self, published: &Published, incarnation: u64, now: Now) {
        self.incarnation = incarnation;
        let policies = &self.policies;
        let of = |name: &str, record| Owned::taken_over(record, policies.of(name).clone(), incarnation, now);
        self.owned =
            published.breakers.iter().map(|(name, record)| (name.clone(), of(name, record))).collect();
    }

    /// Hears what a peer has decided while the two were apart.
    pub(crate) fn reconcile(&mut self, published: &Published, now: Now) {
        for (name, record) in &published.breakers {
            let (policy, incarnation) = (self.policies.of(name).clone(), self.incarnation);
            if let Some(owned) = self.owned_or(name, || Owned::new(policy, incarnation, now)) {
                owned.reconcile(record, now);
            }
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
