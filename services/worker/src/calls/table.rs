//! The table itself: what each request finds, and what it leaves. No I/O, no waiting.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::Clock;
use holdfast_types::worker::{CallOutcome, CallRef, Execute, FenceAnswer};
use holdfast_types::{Effect, SideEffect, Timestamp};
use tokio::time::Instant;

use super::attempt::{Attempt, Facts};
use super::refusal::Refusal;
use super::stop::{Cause, When};

/// How long things are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// A result that nobody acknowledged, from its end; of a call with effects, from its `not_after` if that is later.
    pub(crate) result: Duration,
    /// The epoch of a fence that named no `not_after`.
    pub(crate) fence: Duration,
    /// How many ended calls with forgotten results are remembered as such.
    pub(crate) forgotten: usize,
}

/// What became of an `Execute`.
pub(crate) enum Admission {
    /// It starts this new attempt.
    Start(Arc<Attempt>),
    /// It attaches to this one.
    Attach(Arc<Attempt>),
}

/// What became of a `Fence`.
pub(crate) enum Fenced {
    /// The answer is known.
    Answer(FenceAnswer),
    /// The attempt is being stopped after its effect may have begun; its end is the answer.
    Stopping(Arc<Attempt>),
}

/// How many stale places the heap may hold before it is made anew.
const COMPACT_ABOVE: usize = 4_096;

enum State {
    /// Only an epoch is known: the call was fenced before it came.
    EpochOnly,
    /// An attempt runs or has ended here; which of the two, it knows itself.
    Seen(Arc<Attempt>),
    /// Its outcome is durable elsewhere; a late duplicate of this attempt is refused.
    Acknowledged { attempt: u32, effect: Effect },
    /// It ended here and its outcome was dropped unacknowledged: nobody knows any more.
    Forgotten { attempt: u32, class: SideEffect },
}

struct Entry {
    /// The highest epoch that was shown for this call.
    epoch: u64,
    /// The highest epoch under which the seen attempt was executed or attached to: a fence at or below it closes nothing.
    driver: u64,
    /// When the call's requests can no longer begin, on this process's clock.
    until: Instant,
    state: State,
}

/// All calls that this worker was shown.
pub(crate) struct Table {
    retention: Retention,
    clock: Arc<dyn Clock>,
    entries: HashMap<CallRef, Entry>,
    /// When an entry may be looked at again; an entry may stand here more than once.
    due: BinaryHeap<Reverse<(Instant, CallRef)>>,
    forgotten: usize,
    /// Forgotten calls were dropped altogether: "never seen" can't be proven any more.
    amnesia: bool,
}

impl Table {
    pub(crate) fn new(retention: Retention, clock: Arc<dyn Clock>) -> Self {
        Self {
            retention,
            clock,
            entries: HashMap::new(),
            due: BinaryHeap::new(),
            forgotten: 0,
            amnesia: false,
        }
    }

    /// Finds the attempt that an `Execute` attaches to, or makes the one that it starts.
    ///
    /// `place` is asked for a place only where an attempt would start.
    pub(crate) fn execute(
        &mut self,
        execute: &Execute,
        class: SideEffect,
        place: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Admission, Refusal> {
        self.sweep();
        if let Some(entry) = self.entries.get_mut(&execute.call) {
            entry.raise(execute.epoch)?;
            match &entry.state {
                State::Seen(attempt) if !restarts(attempt, execute) => {
                    if attempt.facts.tool != execute.tool || attempt.facts.key != execute.key {
                        return Err(Refusal::OtherCall);
                    }
                    entry.driver = entry.driver.max(execute.epoch);
                    return Ok(Admission::Attach(Arc::clone(attempt)));
                }
                State::Acknowledged { attempt, effect }
                    if execute.attempt <= *attempt
                        || (*effect == Effect::Executed && !class.is_repeatable()) =>
                {
                    return Err(Refusal::Forgotten);
                }
                State::Forgotten { attempt, class }
                    if execute.attempt <= *attempt || !class.is_repeatable() =>
                {
                    return Err(Refusal::Forgotten);
                }
                State::EpochOnly | State::Seen(_) | State::Acknowledged { .. } | State::Forgotten { .. } => {}
            }
        }
        if self.clock.now() > execute.not_after {
            return Err(Refusal::TooLate);
        }
        place()?;
        let attempt = Attempt::new(Facts::new(execute, class), Arc::clone(&self.clock));
        let until = self.local(execute.not_after);
        let entry = Entry {
            epoch: execute.epoch,
            driver: execute.epoch,
            until,
            state: State::Seen(Arc::clone(&attempt)),
        };
        self.put(execute.call.clone(), entry);
        Ok(Admission::Start(attempt))
    }

    /// Closes the attempts below `epoch`.
    ///
    /// What happens to an attempt whose effect may have begun is `running`'s to say.
    pub(crate) fn fence(
        &mut self,
        call: &CallRef,
        epoch: u64,
        not_after: Option<Timestamp>,
        running: Running,
    ) -> Result<Fenced, Refusal> {
        self.sweep();
        let until = match not_after {
            Some(not_after) => self.local(not_after),
            None => Instant::now() + self.retention.fence,
        };
        let Some(entry) = self.entries.get_mut(call) else {
            self.put(call.clone(), Entry { epoch, driver: 0, until, state: State::EpochOnly });
            let answer = if self.amnesia { FenceAnswer::Interrupted } else { FenceAnswer::NeverSeen };
            return Ok(Fenced::Answer(answer));
        };
        entry.raise(epoch)?;
        entry.until = entry.until.max(until);
        let attempt = match &entry.state {
            State::EpochOnly | State::Acknowledged { effect: Effect::NotExecuted, .. } => {
                return Ok(Fenced::Answer(FenceAnswer::NeverSeen));
            }
            // An ack names no attempt, so it may have come late and dropped the outcome of a later one: "never seen"
            // would then permit a second effect.
            State::Acknowledged { .. } | State::Forgotten { .. } => {
                return Ok(Fenced::Answer(FenceAnswer::Interrupted));
            }
            State::Seen(attempt) => Arc::clone(attempt),
        };
        if let Some(outcome) = attempt.outcome() {
            return Ok(Fenced::Answer(answer_of(&attempt, &outcome)));
        }
        let lower = epoch > entry.driver;
        if !lower || attempt.facts.class == SideEffect::ReadOnly {
            return Ok(Fenced::Answer(FenceAnswer::Running));
        }
        let cause = Cause::Fenced(epoch);
        Ok(match running {
            Running::Adopt if attempt.stop_before_effect(cause.clone()) => {
                Fenced::Answer(FenceAnswer::StoppedBeforeEffect)
            }
            Running::Adopt if attempt.stopped().is_none() => Fenced::Answer(FenceAnswer::Running),
            Running::Adopt | Running::Stop => match attempt.stop(cause) {
                When::BeforeEffect => Fenced::Answer(FenceAnswer::StoppedBeforeEffect),
                When::AfterEffect => Fenced::Stopping(attempt),
            },
        })
    }

    /// Finds the attempt that a `Cancel` means.
    pub(crate) fn cancel(&mut self, call: &CallRef, epoch: u64) -> Result<Option<Arc<Attempt>>, Refusal> {
        let Some(entry) = self.entries.get_mut(call) else { return Ok(None) };
        entry.raise(epoch)?;
        Ok(match &entry.state {
            State::Seen(attempt) => Some(Arc::clone(attempt)),
            State::EpochOnly | State::Acknowledged { .. } | State::Forgotten { .. } => None,
        })
    }

    /// Does what every request does to the table, and nothing else.
    pub(crate) fn pulse(&mut self) {
        self.sweep();
    }

    /// Drops the outcome of an ended call, unless a later attempt than `recorded` has it: it is durable elsewhere.
    pub(crate) fn acknowledge(&mut self, call: &CallRef, recorded: u32, epoch: u64) -> Result<(), Refusal> {
        let Some(entry) = self.entries.get_mut(call) else { return Ok(()) };
        entry.raise(epoch)?;
        match &entry.state {
            State::Seen(attempt) if attempt.facts.number > recorded => {}
            State::Seen(attempt) => {
                let Some(outcome) = attempt.outcome() else { return Ok(()) };
                if attempt.facts.class == SideEffect::ReadOnly {
                    self.entries.remove(call);
                    return Ok(());
                }
                let effect =
                    outcome.as_ref().as_ref().map_or_else(|failure| failure.effect, |_| Effect::Executed);
                entry.state = State::Acknowledged { attempt: attempt.facts.number, effect };
            }
            State::Forgotten { attempt, .. } if *attempt <= recorded => {
                entry.state = State::Acknowledged { attempt: *attempt, effect: Effect::Unknown };
                self.forgotten -= 1;
            }
            State::EpochOnly | State::Acknowledged { .. } | State::Forgotten { .. } => {}
        }
        Ok(())
    }

    /// Every attempt that has not ended.
    pub(crate) fn running(&self) -> Vec<Arc<Attempt>> {
        let seen = self.entries.values().filter_map(|entry| match &entry.state {
            State::Seen(attempt) => Some(attempt),
            _ => None,
        });
        seen.filter(|attempt| attempt.outcome().is_none()).cloned().collect()
    }

    fn put(&mut self, call: CallRef, entry: Entry) {
        self.due.push(Reverse((entry.until, call.clone())));
        if let Some(State::Forgotten { .. }) = self.entries.insert(call, entry).map(|old| old.state) {
            self.forgotten -= 1;
        }
    }

    /// Converts a wall time to this process's own clock.
    fn local(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.clock.now())
    }

    /// Forgets what is due. Each entry is looked at a bounded number of times over its life.
    fn sweep(&mut self) {
        let now = Instant::now();
        if self.due.len() > 2 * self.entries.len() + COMPACT_ABOVE {
            // Acknowledged reads leave at once, but their places in the heap don't.
            self.due =
                self.entries.iter().map(|(call, entry)| Reverse((entry.until, call.clone()))).collect();
        }
        while let Some(Reverse((at, _))) = self.due.peek() {
            if *at > now {
                return;
            }
            let Some(Reverse((_, call))) = self.due.pop() else { return };
            if let Some(again) = self.expire(&call, now) {
                self.due.push(Reverse((again, call)));
            }
        }
    }

    /// Forgets one call if its time has come; else says when to look again.
    fn expire(&mut self, call: &CallRef, now: Instant) -> Option<Instant> {
        let entry = self.entries.get_mut(call)?;
        let ended = match &entry.state {
            State::Forgotten { .. } => return None,
            State::EpochOnly | State::Acknowledged { .. } => {
                let keep_until = match entry.state {
                    State::EpochOnly => entry.until,
                    _ => entry.until + self.retention.result,
                };
                if keep_until > now {
                    return Some(keep_until);
                }
                self.entries.remove(call);
                return None;
            }
            State::Seen(attempt) => match attempt.ended_at() {
                Some(ended) => ended,
                None => return Some(attempt.facts.deadline().max(now) + self.retention.result),
            },
        };
        let attempt_over = match &entry.state {
            State::Seen(attempt) if attempt.facts.class == SideEffect::ReadOnly => ended,
            _ => ended.max(entry.until),
        };
        let keep_until = attempt_over + self.retention.result;
        if keep_until > now {
            return Some(keep_until);
        }
        if let State::Seen(attempt) = &entry.state {
            let (attempt, class) = (attempt.facts.number, attempt.facts.class);
            if class == SideEffect::ReadOnly || self.forgotten >= self.retention.forgotten {
                self.amnesia |= class != SideEffect::ReadOnly;
                self.entries.remove(call);
            } else {
                entry.state = State::Forgotten { attempt, class };
                self.forgotten += 1;
            }
        }
        None
    }
}

/// What a fence does with an attempt whose effect may have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Running {
    /// It is left running, to be attached to.
    Adopt,
    /// It is stopped.
    Stop,
}

impl Entry {
    /// Takes note of an epoch; refuses one that is lower than the highest shown.
    fn raise(&mut self, epoch: u64) -> Result<(), Refusal> {
        if epoch < self.epoch {
            return Err(Refusal::StaleEpoch { shown: self.epoch });
        }
        self.epoch = epoch;
        Ok(())
    }
}

/// Says whether a request begins a new attempt beside one that is known: only a later one, and only where the known
/// one has failed in a way that makes a repeat harmless. A success, and an unknown outcome of a call that must not
/// be repeated, stand until they are acknowledged.
fn restarts(known: &Attempt, execute: &Execute) -> bool {
    let Some(outcome) = known.outcome() else { return false };
    let Err(failure) = &*outcome else { return false };
    let harmless = failure.effect == Effect::NotExecuted || known.facts.class.is_repeatable();
    execute.attempt > known.facts.number && harmless
}

/// What a fence is told of an attempt that has ended.
pub(crate) fn answer_of(attempt: &Attempt, outcome: &CallOutcome) -> FenceAnswer {
    match outcome {
        Err(failure) if attempt.stopped().is_some() => match failure.effect {
            Effect::NotExecuted => FenceAnswer::StoppedBeforeEffect,
            Effect::Unknown => FenceAnswer::Interrupted,
            Effect::Executed => FenceAnswer::Finished(outcome.clone()),
        },
        outcome => FenceAnswer::Finished(outcome.clone()),
    }
}
