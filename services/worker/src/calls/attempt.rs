//! One attempt of a call on this worker: its gate before the effect, its signs of life and its end.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use holdfast_runtime::Clock;
use holdfast_tool::{Host, Stopped};
use holdfast_types::worker::{CallOutcome, CallProgress, CallRef, Execute};
use holdfast_types::{Key, SideEffect, Timestamp, ToolName};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::stop::{Cause, When};
use crate::secrets::Given;

/// What is fixed of an attempt, for as long as it is remembered.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) call: CallRef,
    pub(crate) number: u32,
    pub(crate) tool: ToolName,
    pub(crate) key: Key,
    pub(crate) class: SideEffect,
    pub(crate) not_after: Timestamp,
    pub(crate) timeout: Duration,
    pub(crate) arrived: Instant,
}

impl Facts {
    pub(crate) fn new(execute: &Execute, class: SideEffect) -> Self {
        Self {
            call: execute.call.clone(),
            number: execute.attempt,
            tool: execute.tool.clone(),
            key: execute.key.clone(),
            class,
            not_after: execute.not_after,
            timeout: execute.timeout,
            arrived: Instant::now(),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.arrived + self.timeout
    }
}

/// How far an attempt is towards its effect. Only these transitions exist: `Before` to `Passed`, and each of the
/// two to `Stopped`; so whoever stops an attempt in `Before` has proven that nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Gate {
    Before,
    Passed,
    Stopped(Cause, When),
}

/// What the attached drivers see.
#[derive(Debug, Clone, Default)]
pub(crate) struct News {
    pub(crate) progress: Option<CallProgress>,
    /// The tool's last sign of life; none while it has not started.
    pub(crate) beat: Option<Instant>,
    pub(crate) outcome: Option<Arc<CallOutcome>>,
    pub(crate) ended_at: Option<Instant>,
}

/// One attempt, shared by the table, its supervisor, its tool and the attached drivers.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) facts: Facts,
    clock: Arc<dyn Clock>,
    // A std mutex: held for a comparison, never across an await.
    gate: Mutex<Gate>,
    stopping: CancellationToken,
    /// The secrets that the tool was given.
    given: OnceLock<Given>,
    attached: watch::Sender<usize>,
    news: watch::Sender<News>,
}

impl Attempt {
    pub(crate) fn new(facts: Facts, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            facts,
            clock,
            gate: Mutex::new(Gate::Before),
            stopping: CancellationToken::new(),
            given: OnceLock::new(),
            attached: watch::Sender::new(0),
            news: watch::Sender::new(News::default()),
        })
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // Nothing can panic while it is held.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes the gate: from now on the effect may have begun.
    pub(crate) fn pass(&self) -> Result<(), Stopped> {
        let mut gate = self.gate();
        if *gate == Gate::Before && self.clock.now() > self.facts.not_after {
            *gate = Gate::Stopped(Cause::TooLate, When::BeforeEffect);
            self.stopping.cancel();
        }
        match &*gate {
            Gate::Before => *gate = Gate::Passed,
            Gate::Passed => {}
            Gate::Stopped(cause, _) => return Err(Stopped { why: cause.to_string() }),
        }
        Ok(())
    }

    /// Tells the attempt to stop, and says whether its effect may have begun. The first cause stands.
    ///
    /// Where nothing can have happened, the attempt has ended with this: its outcome is published at once, whatever
    /// its tool still does.
    pub(crate) fn stop(&self, cause: Cause) -> When {
        self.stop_if(cause, |_| true).unwrap_or(When::AfterEffect)
    }

    /// Does what [`Attempt::stop`] does, but only where nothing can have happened. Says whether it was so.
    pub(crate) fn stop_before_effect(&self, cause: Cause) -> bool {
        self.stop_if(cause, |when| when == When::BeforeEffect) == Some(When::BeforeEffect)
    }

    fn stop_if(&self, cause: Cause, wanted: impl Fn(When) -> bool) -> Option<When> {
        let mut gate = self.gate();
        let when = match &*gate {
            Gate::Before => When::BeforeEffect,
            Gate::Passed => When::AfterEffect,
            Gate::Stopped(_, when) => return Some(*when),
        };
        if !wanted(when) {
            return None;
        }
        *gate = Gate::Stopped(cause.clone(), when);
        drop(gate);
        self.stopping.cancel();
        let effect = Cause::effect(self.facts.class, when);
        if when == When::BeforeEffect || self.facts.class == SideEffect::ReadOnly {
            self.publish(Err(cause.failure(self.facts.class, effect)));
        }
        Some(when)
    }

    /// Says whether the effect may have begun.
    pub(crate) fn may_have_begun(&self) -> bool {
        matches!(&*self.gate(), Gate::Passed | Gate::Stopped(_, When::AfterEffect))
    }

    /// Returns why the attempt was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<(Cause, When)> {
        match &*self.gate() {
            Gate::Stopped(cause, when) => Some((cause.clone(), *when)),
            Gate::Before | Gate::Passed => None,
        }
    }

    /// Returns the token that is cancelled when the attempt is to stop.
    pub(crate) const fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Publishes the end, once: the first outcome stands.
    pub(crate) fn publish(&self, mut outcome: CallOutcome) {
        if let Err(failure) = &mut outcome {
            failure.attempts = self.facts.number;
            failure.elapsed = self.facts.arrived.elapsed();
        }
        self.news.send_if_modified(|news| {
            let first = news.outcome.is_none();
            if first {
                news.outcome = Some(Arc::new(outcome));
                news.ended_at = Some(Instant::now());
            }
            first
        });
    }

    /// Returns the end, if there is one yet.
    pub(crate) fn outcome(&self) -> Option<Arc<CallOutcome>> {
        self.news.borrow().outcome.clone()
    }

    /// Returns when it ended, if it has.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        self.news.borrow().ended_at
    }

    /// Waits for the end. Cancel-safe.
    pub(crate) async fn ended(&self) {
        let mut news = self.news.subscribe();
        // It can't be closed: this attempt holds the sender.
        let _ = news.wait_for(|news| news.outcome.is_some()).await;
    }

    pub(crate) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Counts a driver in; it is counted out when the guard is dropped.
    pub(crate) fn attach(self: &Arc<Self>) -> Attached {
        self.attached.send_modify(|count| *count += 1);
        Attached(Arc::clone(self))
    }

    /// Waits until no driver has been attached for `grace`. Cancel-safe.
    pub(crate) async fn abandoned(&self, grace: Duration) {
        let mut attached = self.attached.subscribe();
        loop {
            let _ = attached.wait_for(|count| *count == 0).await;
            tokio::select! {
                () = tokio::time::sleep(grace) => return,
                _ = attached.wait_for(|count| *count > 0) => {}
            }
        }
    }

    /// Waits until the tool has given no sign of life for `limit` since it started. Cancel-safe.
    pub(crate) async fn silent(&self, limit: Duration) {
        let mut news = self.news.subscribe();
        let _ = news.wait_for(|news| news.beat.is_some()).await;
        loop {
            let Some(last) = news.borrow_and_update().beat else { return };
            tokio::time::sleep_until(last + limit).await;
            if news.borrow().beat == Some(last) {
                return;
            }
        }
    }

    /// Notes which secrets the tool is given, before it starts.
    pub(crate) fn give(&self, given: Given) {
        // An attempt starts its tool once.
        let _ = self.given.set(given);
    }

    /// Returns the secrets that the tool was given; none before it started.
    pub(crate) fn given(&self) -> Given {
        self.given.get().cloned().unwrap_or_default()
    }

    /// Notes that the tool starts now.
    pub(crate) fn started(&self) {
        self.heartbeat(None);
    }
}

impl Host for Attempt {
    fn before_effect(&self) -> Result<(), Stopped> {
        self.pass()
    }

    fn heartbeat(&self, mut progress: Option<CallProgress>) {
        if let (Some(progress), Some(given)) = (&mut progress, self.given.get()) {
            given.scrub_text(&mut progress.note);
        }
        self.news.send_modify(|news| {
            news.beat = Some(Instant::now());
            if progress.is_some() {
                news.progress = progress;
            }
        });
    }
}

/// One attached driver.
#[derive(Debug)]
pub(crate) struct Attached(Arc<Attempt>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.attached.send_modify(|count| *count = count.saturating_sub(1));
    }
}
