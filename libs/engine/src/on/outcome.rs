//! Outcomes of calls: ended, replayed, failed, probed, stood in.

use holdfast_types::task::ResultSource;
use holdfast_types::{Class, Effect, SideEffect, Timestamp};

use crate::Task;
use crate::event::{AttemptEnded, CallFailed, CallReplayed, Ended, Next, Probe, Probed, Replayed, StoodIn};
use crate::state::{CallEnd, Phase};

impl Task {
    pub(super) fn on_attempt_ended(&mut self, e: &AttemptEnded, at: Timestamp) -> Result<(), String> {
        match &e.ended {
            Ended::Succeeded { result, .. } => {
                self.close_attempt(&e.call, e.attempt, Effect::Executed, at)?;
                self.succeed_call(&e.call, result.clone(), CallEnd::Succeeded, ResultSource::Tool, at);
            }
            Ended::Failed { failure, next } => {
                let harmless =
                    self.calls.get(&e.call).and_then(|call| call.side_effect()) == Some(SideEffect::ReadOnly);
                let effect = if harmless { Effect::NotExecuted } else { failure.effect };
                self.close_attempt(&e.call, e.attempt, effect, at)?;
                if let Some(call) = self.calls.get_mut(&e.call) {
                    call.tries += u32::from(call.open_attempt().is_none());
                    if let Next::Retry { at: then } = next {
                        call.backoff.wait(failure.retry_hint, then.since(at));
                    }
                    if failure.class == Class::Crashed {
                        call.kills += 1;
                    }
                }
                self.after_failure(&e.call, failure, *next, at);
            }
        }
        Ok(())
    }

    pub(super) fn on_call_replayed(&mut self, e: &CallReplayed, at: Timestamp) -> Result<(), String> {
        // The key's row may have answered in place of the first intent, which then was never written.
        if self.step_index(&e.call.step).is_none() {
            return Err(format!("no step of {}", e.call));
        }
        self.recall(&e.call, at);
        self.tally.replays += 1;
        if let Some(call) = self.calls.get_mut(&e.call) {
            call.recorded_at = Some(e.recorded_at);
            call.recorded_by = Some(e.from.clone());
        }
        match &e.outcome {
            Replayed::Result(result) => {
                self.succeed_call(&e.call, result.clone(), CallEnd::Replayed, ResultSource::Replay, at);
            }
            Replayed::Failure(failure) => self.fail_call(&e.call, failure.clone(), at),
        }
        Ok(())
    }

    pub(super) fn on_call_failed(&mut self, e: &CallFailed, at: Timestamp) -> Result<(), String> {
        if self.step_index(&e.call.step).is_none() {
            return Err(format!("no step of {}", e.call));
        }
        self.recall(&e.call, at);
        self.fail_call(&e.call, e.failure.clone(), at);
        Ok(())
    }

    pub(super) fn on_probed(&mut self, e: &Probed, at: Timestamp) -> Result<(), String> {
        self.known(&e.call)?;
        match &e.answer {
            Probe::Done { result } => {
                if let Some(call) = self.calls.get_mut(&e.call) {
                    call.effect = Effect::Executed;
                }
                self.succeed_call(&e.call, result.clone(), CallEnd::Succeeded, ResultSource::Tool, at);
            }
            Probe::NotDone => {
                if let Some(call) = self.calls.get_mut(&e.call) {
                    // A probe settles what the join could not: nothing is under way any more.
                    call.effect = Effect::NotExecuted;
                    call.phase = Phase::Ready { not_before: at };
                }
            }
            Probe::NotYet { ask_again_at } => {
                if let Some(call) = self.calls.get_mut(&e.call) {
                    call.phase = Phase::Settling { ask_at: *ask_again_at };
                }
            }
            Probe::Unknown => {
                if let Some(call) = self.calls.get_mut(&e.call) {
                    call.phase = Phase::NeedsPerson;
                }
            }
        }
        self.doing.look.insert(e.call.clone());
        Ok(())
    }

    pub(super) fn on_stood_in(&mut self, e: &StoodIn, at: Timestamp) -> Result<(), String> {
        if self.step_index(&e.call.step).is_none() {
            return Err(format!("no step of {}", e.call));
        }
        self.recall(&e.call, at);
        if let (Some(recorded), Some(call)) = (&e.recorded, self.calls.get_mut(&e.call)) {
            call.recorded_at = Some(recorded.at);
            call.recorded_by = Some(format!("{}/{}", recorded.task, recorded.call));
        }
        self.succeed_call(&e.call, e.result.clone(), CallEnd::StoodIn, e.source, at);
        Ok(())
    }

    fn known(&self, id: &holdfast_types::CallId) -> Result<(), String> {
        if self.calls.contains_key(id) { Ok(()) } else { Err(format!("no call {id}")) }
    }

    /// A call that no attempt has made known yet: its tool comes from the plan.
    fn recall(&mut self, id: &holdfast_types::CallId, at: Timestamp) {
        let Some(position) = self.step_index(&id.step) else { return };
        if let Some(tool) = self.tool_of(position, id) {
            self.enter_call(id, position, &tool, at);
        }
        let step = &mut self.steps[position];
        if step.entered_at.is_none() {
            step.entered_at = Some(at);
        }
    }
}
