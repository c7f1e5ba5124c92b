//! Timers that are due, and the verdict that is.

use std::time::Duration;

use holdfast_types::{Class, Effect, Failure, Reason, Timestamp, time::format_duration};

use super::Decided;
use crate::event::{CallFailed, SkippedUndo, StepFailed, UndoSkipped, Verdict, VerdictReached};
use crate::record::waited;
use crate::state::{Call, Course, Phase, Shared, Timer, Word};
use crate::{Env, Event, Task};

/// How soon the deadline is looked at again while calls of an earlier life are being settled.
const SETTLING_GRACE: Duration = Duration::from_secs(1);

impl Task {
    pub(super) fn decide_time(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        while let Some(timer) = self.doing.timers.pop_due(env.now) {
            match timer {
                Timer::Call(call) => {
                    self.doing.look.insert(call);
                }
                Timer::Step(position) => self.step_is_overdue(position, decided),
                Timer::Task => self.task_is_overdue(env, decided),
            }
        }
        if let (true, Some((verdict, on_end))) = (self.is_forward(), self.doom.clone()) {
            decided.events.push(Event::VerdictReached(VerdictReached { verdict, on_end }));
        }
    }

    fn step_is_overdue(&mut self, position: usize, decided: &mut Decided) {
        let step = &self.steps[position];
        if !self.is_forward() || step.status.is_ended() || step.failure.is_some() {
            return;
        }
        // The step's time stands still while a person is asked; their word starts it again.
        if self.calls_of(position).any(|call| self.questions.contains_key(&call.id)) {
            return;
        }
        let timeout = format_duration(self.step_timeout(position));
        let waiting = self.calls_of(position).find(|call| call.waits.is_some() && !call.is_ended());
        let held = self.calls_of(position).find_map(|call| self.key_awaited(call));
        let failure = match (waiting.and_then(|call| call.failure.as_ref()), held) {
            (_, Some(held)) => Failure::new(
                Class::Unavailable,
                Effect::NotExecuted,
                Reason::KeyInDoubt,
                format!("the key is {} and was not settled within the step's {timeout}", held.standing),
            ),
            (Some(refused), None) if refused.class == Class::RateLimited => Failure::new(
                Class::RateLimited,
                Effect::NotExecuted,
                Reason::RateLimited,
                format!("{} within the step's {timeout}", refused.message),
            ),
            (Some(missing), None) => waited(missing, &timeout),
            (None, None) => Failure::new(
                Class::Deadline,
                Effect::NotExecuted,
                Reason::StepTimeout,
                format!("the step did not end within its {timeout}"),
            ),
        };
        decided.events.push(Event::StepFailed(StepFailed {
            step: self.plan().steps[position].id.clone(),
            index: None,
            failure,
        }));
    }

    /// Calls of an earlier life are settled before the deadline is judged: what finished in time is no failure
    /// because nobody was there to hear of it (PROTOCOL 11).
    fn task_is_overdue(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        match &self.course {
            Course::Forward if self.open_steps == 0 && self.live_forward == 0 => {}
            Course::Forward if self.has_orphans() => {
                self.doing.timers.arm(Timer::Task, env.now.after(SETTLING_GRACE));
            }
            Course::Forward => {
                if self.doom.is_none() {
                    self.doom = Some((Verdict::Deadline, self.plan().on_failure));
                }
            }
            Course::Ending { .. } => self.undos_are_overdue(decided),
            Course::Quarantined { .. } | Course::Finished(_) => {}
        }
    }

    fn has_orphans(&self) -> bool {
        self.calls.values().any(|call| {
            let foreign = call.open_attempts().any(|attempt| attempt.epoch < self.epoch);
            let in_time = call.closed_at().is_some_and(|at| at < self.spec.deadline_at);
            foreign || (in_time && matches!(call.phase, Phase::Settling { .. }))
        })
    }

    fn undos_are_overdue(&mut self, decided: &mut Decided) {
        let late = self
            .calls
            .values()
            .filter(|call| call.is_undo() || call.settles())
            .filter(|call| !call.is_ended() && call.open_attempt().is_none());
        decided.events.extend(late.map(|call| self.out_of_time(call)));
    }

    /// Says whether an undo that runs no attempt may begin none any more.
    pub(super) fn is_out_of_time(&self, call: &Call, now: Timestamp) -> bool {
        let over = self.compensation_deadline().is_some_and(|deadline| now >= deadline);
        over && (call.is_undo() || call.settles()) && call.open_attempt().is_none()
    }

    pub(super) fn out_of_time(&self, call: &Call) -> Event {
        if let Some(Shared { tasks, word: Word::Awaited }) = call.shared {
            let why = SkippedUndo::SharedWith { tasks };
            return Event::UndoSkipped(UndoSkipped { call: call.id.clone(), why });
        }
        let failure = Failure::new(
            Class::Deadline,
            call.effect,
            Reason::TaskDeadline,
            "the time for compensation is over",
        );
        Event::CallFailed(CallFailed { call: call.id.clone(), failure })
    }
}
