//! When something wants to be looked at again: an ordered set, so that waiting costs nothing between wake-ups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_types::{CallId, Timestamp};

use super::{COMPENSATION_TIMEOUT, Course, Phase, STEP_TIMEOUT, Task};

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The task's deadline, or the end of the time for compensation.
    Task,
    /// A step's time is over.
    Step(usize),
    /// A call's backoff, or the next probe.
    Call(CallId),
}

/// At most one instant a timer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Timestamp, Timer)>,
    at: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    pub(crate) fn arm(&mut self, timer: Timer, at: Timestamp) {
        if let Some(old) = self.at.insert(timer.clone(), at) {
            self.order.remove(&(old, timer.clone()));
        }
        self.order.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, timer: &Timer) {
        if let Some(old) = self.at.remove(timer) {
            self.order.remove(&(old, timer.clone()));
        }
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }
}

impl Task {
    /// When the engine wants an `Input::Tick`; none where only an answer or a message can go on.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        match self.course {
            Course::Finished(_) | Course::Quarantined { .. } => None,
            Course::Forward | Course::Ending { .. } => self.doing.timers.next(),
        }
    }

    pub(crate) fn step_timeout(&self, position: usize) -> Duration {
        self.plan().steps[position].timeout.unwrap_or(STEP_TIMEOUT)
    }

    /// When this step's time is over; the task's deadline before it is entered.
    pub(crate) fn step_deadline(&self, position: usize) -> Timestamp {
        let own = self.steps[position].entered_at.map(|at| at.after(self.step_timeout(position)));
        own.map_or(self.spec.deadline_at, |at| at.min(self.spec.deadline_at))
    }

    /// When the time for undos is over, once a verdict was reached.
    pub(crate) fn compensation_deadline(&self) -> Option<Timestamp> {
        match &self.course {
            Course::Ending { since, .. } => {
                Some(since.after(self.plan().compensation_timeout.unwrap_or(COMPENSATION_TIMEOUT)))
            }
            Course::Forward | Course::Quarantined { .. } | Course::Finished(_) => None,
        }
    }

    /// When half of the time for undos is over.
    pub(crate) fn compensation_half(&self) -> Option<Timestamp> {
        match &self.course {
            Course::Ending { since, .. } => {
                Some(since.after(self.plan().compensation_timeout.unwrap_or(COMPENSATION_TIMEOUT) / 2))
            }
            Course::Forward | Course::Quarantined { .. } | Course::Finished(_) => None,
        }
    }

    pub(crate) fn arm_step(&mut self, position: usize) {
        if self.is_forward() && !self.steps[position].status.is_ended() {
            self.doing.timers.arm(Timer::Step(position), self.step_deadline(position));
        }
    }

    pub(crate) fn disarm_step(&mut self, position: usize) {
        self.doing.timers.disarm(&Timer::Step(position));
    }

    /// Sets all timers from the state: at the beginning of a life, and when the course changes.
    pub(crate) fn rearm_timers(&mut self) {
        self.doing.timers = Timers::default();
        let over = self.compensation_deadline().unwrap_or(self.spec.deadline_at);
        self.doing.timers.arm(Timer::Task, over);
        for position in 0..self.steps.len() {
            if self.steps[position].entered_at.is_some() {
                self.arm_step(position);
            }
        }
        let waits: Vec<_> = self
            .calls
            .values()
            .filter_map(|call| match call.phase {
                Phase::Ready { not_before: at } | Phase::Settling { ask_at: at } => {
                    Some((call.id.clone(), at))
                }
                _ => None,
            })
            .collect();
        for (call, at) in waits {
            self.doing.timers.arm(Timer::Call(call), at);
        }
    }
}
