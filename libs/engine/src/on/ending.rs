//! The way to the end: a verdict, undos that are not run, the end itself.

use holdfast_types::plan::OnEnd;
use holdfast_types::task::StepStatus;
use holdfast_types::{Effect, Timestamp};

use crate::Task;
use crate::event::{Finished, UndoSkipped, VerdictReached};
use crate::state::{CallEnd, Course, End, Phase};

impl Task {
    /// Nothing new starts; what never began ends here, what is open is settled (PROTOCOL 11).
    pub(super) fn on_verdict_reached(&mut self, e: &VerdictReached, at: Timestamp) -> Result<(), String> {
        if !self.is_forward() {
            return Err("a verdict is reached once".to_owned());
        }
        let on_end = if self.pivot.is_some() { OnEnd::Keep } else { e.on_end };
        self.course = Course::Ending { verdict: e.verdict.clone(), on_end, since: at };
        self.doom = None;
        self.doing.entering.clear();
        let idle: Vec<_> = self
            .calls
            .values()
            .filter(|call| matches!(call.phase, Phase::Ready { .. } | Phase::WaitsForKey | Phase::AfterPivot))
            .map(|call| (call.id.clone(), call.effect, call.failure.clone()))
            .collect();
        for (id, effect, failure) in idle {
            match failure {
                Some(failure) if effect != Effect::NotExecuted => self.fail_call(&id, failure, at),
                _ => self.call_off(&id, at),
            }
        }
        for position in 0..self.steps.len() {
            let step = &mut self.steps[position];
            if step.status.is_ended() {
                continue;
            }
            step.end_pending(StepStatus::Skipped, None);
            if step.tally(StepStatus::Skipped) == step.slots().len() {
                self.end_step(position, StepStatus::Skipped, at);
            } else {
                self.judge_step(position, at);
            }
        }
        self.doing
            .look
            .extend(self.calls.values().filter(|call| !call.is_ended()).map(|call| call.id.clone()));
        self.rearm_timers();
        Ok(())
    }

    pub(super) fn on_undo_skipped(&mut self, e: &UndoSkipped, at: Timestamp) -> Result<(), String> {
        let forward = e.call.forward_of();
        let Some(forward) = self.calls.get(&forward) else { return Err(format!("no call {forward}")) };
        let (step, tool) = (forward.step, forward.tool.clone());
        self.ensure_call(&e.call, step, &tool, at);
        self.doing.calls.remove(&e.call);
        if let Some(call) = self.calls.get_mut(&e.call) {
            call.phase = Phase::Ended(CallEnd::Skipped);
            call.ended_at = Some(at);
        }
        Ok(())
    }

    pub(super) fn on_finished(&mut self, e: &Finished, at: Timestamp) -> Result<(), String> {
        self.course = Course::Finished(Box::new(End {
            outcome: e.outcome,
            output: e.output.clone(),
            failure: e.failure.clone(),
            report: e.report.clone(),
            at,
        }));
        self.questions.clear();
        Ok(())
    }
}
