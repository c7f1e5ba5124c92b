//! The breakers of an instance: it decides from what it was told, and reports what its calls say (DESIGN section 6).
//!
//! - `entry`: one breaker, which follows its owner, or decides by itself while that is away; without I/O
//! - `permit`: the permission for one call, and how its outcome comes back
//! - `reports`: outcomes, gathered; no call waits for them
//! - `follow`: what the owner tells, and what it is told
//! - `own_trial`: trials by a tool's own means
//! - `refusal`: what a call is told that is not let through

mod entry;
mod follow;
mod own_trial;
mod permit;
mod refusal;
mod reports;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_engine::Circuit;
use holdfast_resilience::breaker::{Generation, Outcome, Policies, Position, Ticket, Transition};
use holdfast_runtime::{BootInstant, Clock};
use holdfast_telemetry::Metrics;
use holdfast_types::Failure;
use tokio::sync::{Notify, watch};

use entry::{Entry, News, Own, Risk};
pub(crate) use permit::Permit;
use permit::Stage;
use reports::Reports;

/// The breakers of all dependencies, shared by the drivers of an instance.
#[derive(Debug)]
pub(crate) struct Breakers {
    own: Own,
    // A std mutex: held for a look-up, never across an await.
    entries: Mutex<HashMap<Arc<str>, Entry>>,
    reports: Reports,
    /// Raised whenever a call may pass that did not before: a trial, or all.
    passing: watch::Sender<u64>,
    /// Raised whenever a circuit has closed.
    closed: watch::Sender<u64>,
    /// A breaker that this instance decides has opened.
    opened: Notify,
    clock: Arc<dyn Clock>,
    started: BootInstant,
    metrics: Arc<Metrics>,
}

impl Breakers {
    /// Makes them, with all circuits closed. `random` is the incarnation of the breakers that this instance decides.
    pub(crate) fn new(
        policies: impl Into<Policies>,
        random: u64,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let started = clock.boot();
        Arc::new(Self {
            own: Own { policies: policies.into(), incarnation: random, seed: random },
            entries: Mutex::default(),
            reports: Reports::default(),
            passing: watch::Sender::new(0),
            closed: watch::Sender::new(0),
            opened: Notify::new(),
            clock,
            started,
            metrics,
        })
    }

    /// Asks for one call of a dependency; the failure says when to ask again.
    pub(crate) fn admit(self: &Arc<Self>, dependency: &str) -> Result<Permit, Failure> {
        self.admit_one(dependency, Risk::None)
    }

    /// Asks for one call that must not be repeated: a trial is left to others for a moment, since a call that ends with
    /// its outcome unknown costs more than a trial is worth.
    pub(crate) fn admit_harmful(self: &Arc<Self>, dependency: &str) -> Result<Permit, Failure> {
        self.admit_one(dependency, Risk::Unknown)
    }

    fn admit_one(self: &Arc<Self>, dependency: &str, risk: Risk) -> Result<Permit, Failure> {
        let now = self.now();
        let mut entries = self.entries();
        let name = match entries.get_key_value(dependency) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(dependency),
        };
        let entry =
            entries.entry(Arc::clone(&name)).or_insert_with(|| Entry::new(&self.own, dependency, now));
        let until = entry.trial_until(now);
        let (admitted, moved) = entry.admit(risk, now);
        drop(entries);
        self.moved(dependency, moved);
        match admitted {
            Ok(ticket) => {
                let breakers = Arc::clone(self);
                Ok(Permit { breakers, dependency: name, ticket, until, stage: Stage::Unused })
            }
            Err(refused) => {
                self.metrics.breaker_refusal();
                Err(refusal::failure(dependency, refused))
            }
        }
    }

    /// Says whether a call of a dependency would be let through now.
    pub(crate) fn circuit(&self, dependency: &str) -> Circuit {
        let now = self.now();
        self.entries().get(dependency).map_or(Circuit::Closed, |entry| entry.circuit(now))
    }

    /// Says whether all calls of a dependency pass: what is no more than a help is made only then.
    pub(crate) fn is_closed(&self, dependency: &str) -> bool {
        let now = self.now();
        self.entries().get(dependency).is_none_or(|entry| entry.is_closed(now))
    }

    /// How often a call has come to pass that did not before.
    pub(crate) fn passed(&self) -> u64 {
        *self.passing.borrow()
    }

    /// Waits until a call may pass that did not before, after `passed` times. Cancel-safe.
    pub(crate) async fn pass_again(&self, passed: u64) -> u64 {
        raised(&self.passing, passed).await
    }

    /// Waits until a circuit has closed, after `closed` times; says how often that was. Cancel-safe.
    pub(crate) async fn close_again(&self, closed: u64) -> u64 {
        raised(&self.closed, closed).await
    }

    /// Waits until a breaker that this instance decides opens; for one who waits. Cancel-safe.
    async fn opened(&self) {
        self.opened.notified().await;
    }

    /// The dependencies of which a trial may be made now, and how long until time alone frees another one.
    fn free_trials(&self) -> (Vec<Arc<str>>, Option<Duration>) {
        let now = self.now();
        let (mut free, mut soon) = (Vec::new(), None::<Duration>);
        for (name, entry) in self.entries().iter() {
            match entry.next_trial(now) {
                Some(Duration::ZERO) => free.push(Arc::clone(name)),
                Some(left) => soon = Some(soon.map_or(left, |soon| soon.min(left))),
                None => {}
            }
        }
        (free, soon)
    }

    fn ended(&self, dependency: &str, ticket: Ticket, outcome: Outcome) {
        let now = self.now();
        let moved = self.entries().get_mut(dependency).and_then(|entry| entry.report(ticket, outcome, now));
        self.moved(dependency, moved);
        if ticket.trial.is_some() {
            // Whatever it said, the next trial may be free.
            self.news(News::Trial);
        }
    }

    fn give_back(&self, dependency: &str, ticket: Ticket, until: Option<Duration>) {
        if ticket.trial.is_none() {
            return;
        }
        let now = self.now();
        let moved = self.entries().get_mut(dependency).and_then(|entry| entry.give_back(ticket, until, now));
        self.moved(dependency, moved);
    }

    /// The generation of a ticket as the owner counts it; none where this instance let the call through by itself.
    fn owners_generation(&self, ticket: Ticket) -> Option<Generation> {
        (ticket.generation.incarnation != self.own.incarnation).then_some(ticket.generation)
    }

    /// Tells of a move of a breaker that this instance decides.
    fn moved(&self, dependency: &str, moved: Option<Transition>) {
        let Some(Transition { from, to, cause, .. }) = moved else { return };
        tracing::info!(dependency, ?from, ?to, ?cause, "own breaker moved");
        self.metrics.breaker_move(from.into(), to.into());
        match to {
            Position::Closed => self.news(News::Closed),
            Position::Open { .. } | Position::HalfOpen { .. } | Position::Forced { .. } => {
                self.opened.notify_one()
            }
        }
    }

    fn news(&self, news: News) {
        if news >= News::Trial {
            self.passing.send_modify(|passed| *passed += 1);
        }
        if news == News::Closed {
            self.closed.send_modify(|closed| *closed += 1);
        }
    }

    fn now(&self) -> Duration {
        self.clock.boot().since(self.started)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn raised(count: &watch::Sender<u64>, above: u64) -> u64 {
    let mut counts = count.subscribe();
    let newer = counts.wait_for(|now| *now > above).await.map(|now| *now);
    match newer {
        Ok(now) => now,
        // Whoever waits holds the sender.
        Err(_) => std::future::pending().await,
    }
}
