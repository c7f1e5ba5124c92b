//! What a trace shows of a task: its steps, calls and attempts with their times, and nothing of what they carry.

use holdfast_types::task::StepStatus;
use holdfast_types::{CallId, Failure, StepId, Timestamp, ToolName, WorkerId};

use super::{Attempt, AttemptState, Call, CallEnd, Task};

/// A step, as a trace shows it.
#[derive(Debug, Clone)]
pub struct TracedStep<'a> {
    /// The step.
    pub id: &'a StepId,
    /// Where it is, or how it ended.
    pub status: StepStatus,
    /// Why it failed.
    pub failure: Option<&'a Failure>,
    /// When its first event came; none: it has not begun, and never will where it has ended.
    pub entered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A call, as a trace shows it.
#[derive(Debug, Clone, Copy)]
pub struct TracedCall<'a>(&'a Call);

/// An attempt, as a trace shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedAttempt {
    /// From 1.
    pub number: u32,
    /// The life that began it, or took it over.
    pub epoch: u64,
    /// The incarnation that it is bound to.
    pub worker: WorkerId,
    /// When it was intended.
    pub started_at: Timestamp,
    /// When it ended, or was closed.
    pub ended_at: Option<Timestamp>,
}

/// Whether a call goes its way, or is only being settled after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes its way.
    Own,
    /// It has ended once, and is taken up again to find out whether it happened.
    Settled,
}

impl<'a> TracedCall<'a> {
    /// The call.
    #[must_use]
    pub const fn id(self) -> &'a CallId {
        &self.0.id
    }

    /// Its tool.
    #[must_use]
    pub const fn tool(self) -> &'a ToolName {
        &self.0.tool
    }

    /// When its first event came; where none has, when it was first wanted.
    #[must_use]
    pub fn began_at(self) -> Timestamp {
        self.0.first_event_at.unwrap_or(self.0.created_at)
    }

    /// When it ended.
    #[must_use]
    pub const fn ended_at(self) -> Option<Timestamp> {
        self.0.ended_at
    }

    /// How it ended.
    #[must_use]
    pub const fn end(self) -> Option<CallEnd> {
        match self.0.phase {
            super::Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Why it failed, or what its last attempt met.
    #[must_use]
    pub const fn failure(self) -> Option<&'a Failure> {
        self.0.failure.as_ref()
    }

    /// Whose recorded result answered it: `TASK/CALL`, or a client of the idempotency service.
    #[must_use]
    pub fn recorded_by(self) -> Option<&'a str> {
        self.0.recorded_by.as_deref()
    }

    /// Whether it goes its way.
    #[must_use]
    pub fn course(self) -> Course {
        if self.0.settles() { Course::Settled } else { Course::Own }
    }

    /// How often it was tried again; a hedge is no second try.
    #[must_use]
    pub fn retries(self) -> usize {
        self.0.attempts.len().saturating_sub(1 + usize::from(self.0.hedge.is_some()))
    }

    /// Since when it waits for its next attempt.
    #[must_use]
    pub fn waits_for_retry(self) -> Option<Timestamp> {
        let ready = matches!(self.0.phase, super::Phase::Ready { .. });
        let held = self.0.waits.filter(|waits| waits.what == super::Awaited::Dependency);
        self.0.closed_at().or(held.map(|waits| waits.since)).filter(|_| ready)
    }

    /// Since when it waits for a worker that hosts its tool.
    #[must_use]
    pub fn waits_for_tool(self) -> Option<Timestamp> {
        let tool = self.0.waits.filter(|waits| waits.what == super::Awaited::Tool);
        tool.map(|waits| waits.since)
    }

    /// Whether a person is asked about it.
    #[must_use]
    pub const fn waits_for_person(self) -> bool {
        matches!(self.0.phase, super::Phase::NeedsPerson | super::Phase::AfterPivot)
    }

    /// Its attempts, in their order.
    pub fn attempts(self) -> impl Iterator<Item = TracedAttempt> + 'a {
        self.0.attempts.iter().map(traced)
    }

    /// One of its attempts.
    #[must_use]
    pub fn attempt(self, number: u32) -> Option<TracedAttempt> {
        self.0.attempt(number).map(traced)
    }
}

fn traced(attempt: &Attempt) -> TracedAttempt {
    let ended_at = match attempt.state {
        AttemptState::Ended { at, .. } => Some(at),
        AttemptState::Open | AttemptState::Adopted | AttemptState::Lost => None,
    };
    let Attempt { number, epoch, worker, started_at, .. } = *attempt;
    TracedAttempt { number, epoch, worker, started_at, ended_at }
}

impl Task {
    /// The epoch of the last life that began; none before the first.
    #[must_use]
    pub fn last_life(&self) -> Option<u64> {
        (self.epoch > 0).then_some(self.epoch)
    }

    /// How many lives it had.
    #[must_use]
    pub const fn lives(&self) -> u64 {
        self.tally.lives
    }

    /// How many attempts were retries.
    #[must_use]
    pub const fn retries(&self) -> u64 {
        self.tally.retries
    }

    /// A step, for the trace.
    #[must_use]
    pub fn traced_step(&self, id: &StepId) -> Option<TracedStep<'_>> {
        self.step_index(id).map(|position| self.traced_step_at(position))
    }

    /// All steps that have begun, for the trace.
    pub fn traced_steps(&self) -> impl Iterator<Item = TracedStep<'_>> {
        let steps = (0..self.steps.len()).map(|position| self.traced_step_at(position));
        steps.filter(|step| step.entered_at.is_some())
    }

    fn traced_step_at(&self, position: usize) -> TracedStep<'_> {
        let state = &self.steps[position];
        let own = state.slots().first().filter(|_| state.slots().len() == 1);
        TracedStep {
            id: &self.plan().steps[position].id,
            status: state.status,
            failure: state.failure.as_ref().or_else(|| own?.failure.as_ref()),
            entered_at: state.entered_at,
            ended_at: state.ended_at,
        }
    }

    /// A call, for the trace.
    #[must_use]
    pub fn traced_call(&self, id: &CallId) -> Option<TracedCall<'_>> {
        self.calls.get(id).map(TracedCall)
    }

    /// All calls, for the trace.
    pub fn traced_calls(&self) -> impl Iterator<Item = TracedCall<'_>> {
        self.calls.values().map(TracedCall)
    }
}
