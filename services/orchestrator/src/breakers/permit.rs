//! The permission for one call: its outcome comes back with it, and one that is dropped is given back.

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::{CallKind, CallReport, CallVerdict};
use holdfast_resilience::breaker::{Outcome, Ticket};
use holdfast_types::worker::CallOutcome;
use holdfast_types::{Class, Failure, Reason, Source, WorkerId};
use tokio::time::Instant;

use super::Breakers;

/// The permission for one call of a dependency.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) breakers: Arc<Breakers>,
    pub(super) dependency: Arc<str>,
    pub(super) ticket: Ticket,
    /// Until when a trial may begin, where its owner gave a time.
    pub(super) until: Option<Duration>,
    pub(super) stage: Stage,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// It is not sent.
    Unused,
    /// It is, since then, to this worker.
    Sent { at: Instant, worker: WorkerId },
    /// It has ended.
    Over,
}

impl Permit {
    /// Whether it is for the trial of a half-open breaker.
    pub(crate) const fn is_trial(&self) -> bool {
        self.ticket.trial.is_some()
    }

    /// Its call is about to be sent.
    pub(crate) fn sent(&mut self, worker: WorkerId) {
        self.stage = Stage::Sent { at: Instant::now(), worker };
        if self.ticket.trial.is_some() {
            let begun = self.report(CallVerdict::Begun, Duration::ZERO, worker);
            self.breakers.reports.urgent(begun);
        }
    }

    /// Its call has ended.
    pub(crate) fn ended(mut self, outcome: &CallOutcome) {
        self.end(|took| match outcome {
            Ok(_) => (Outcome::Success { took }, CallVerdict::Alive),
            Err(failure) => said(failure, took),
        });
    }

    /// It has ended well.
    pub(crate) fn succeeded(mut self) {
        self.end(|took| (Outcome::Success { took }, CallVerdict::Alive));
    }

    /// Nobody heard of its end from a worker.
    pub(crate) fn failed(mut self, failure: &Failure) {
        self.end(|took| said(failure, took));
    }

    fn end(&mut self, says: impl FnOnce(Duration) -> (Outcome, CallVerdict)) {
        let Stage::Sent { at, worker } = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        let took = at.elapsed();
        let (outcome, verdict) = says(took);
        let verdict = match (outcome, self.ticket.trial) {
            // That it answers is all that a trial wants to know.
            (Outcome::Answered, Some(_)) => CallVerdict::Alive,
            _ => verdict,
        };
        self.breakers.ended(&self.dependency, self.ticket, outcome);
        let report = self.report(verdict, took, worker);
        match (verdict, self.ticket.trial) {
            (CallVerdict::Nothing, None) => {}
            (_, Some(_)) => self.breakers.reports.urgent(report),
            (_, None) => self.breakers.reports.add(report),
        }
    }

    fn report(&self, verdict: CallVerdict, elapsed: Duration, worker: WorkerId) -> CallReport {
        CallReport {
            dependency: Arc::clone(&self.dependency),
            worker: Some(worker),
            verdict,
            elapsed,
            generation: self.breakers.owners_generation(self.ticket),
            kind: if self.ticket.trial.is_some() { CallKind::Trial } else { CallKind::Plain },
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match self.stage {
            Stage::Over => {}
            Stage::Unused => self.breakers.give_back(&self.dependency, self.ticket, self.until),
            Stage::Sent { .. } => self.end(|_| (Outcome::Nothing, CallVerdict::Nothing)),
        }
    }
}

/// What a failure says of the dependency. That a worker was not reached, or that the connection to it was lost, is no
/// word of the tool behind it.
fn said(failure: &Failure, took: Duration) -> (Outcome, CallVerdict) {
    let of_the_way = matches!(failure.reason, Reason::ConnectFailed | Reason::ConnectionLost);
    if of_the_way && failure.source == Source::Platform {
        return (Outcome::Nothing, CallVerdict::Nothing);
    }
    let outcome = Outcome::of_failure(failure, took);
    let verdict = match outcome {
        Outcome::Success { .. } => CallVerdict::Alive,
        Outcome::Failure { retry_after, .. } => CallVerdict::Failed { retry_after },
        Outcome::Answered if failure.class == Class::Semantic => CallVerdict::Alive,
        Outcome::Answered | Outcome::Nothing => CallVerdict::Nothing,
    };
    (outcome, verdict)
}
