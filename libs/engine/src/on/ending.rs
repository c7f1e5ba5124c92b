//! The way to the end: a verdict, undos that are not run, the end itself.

use holdfast_types::plan::{OnEnd, StepKind};
use holdfast_types::task::StepStatus;
use holdfast_types::{CallId, SideEffect, Timestamp, Variant};

use crate::Task;
use crate::event::{Finished, SettledBy, SettlingBegan, SkippedUndo, UndoSkipped, VerdictReached};
use crate::state::{Busy, CallEnd, Course, End, Phase, Purpose};

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
        // What was only being prepared is not waited for: its answer is passed over.
        self.doing.calls.retain(|_, busy| *busy == Busy::Probing);
        let idle: Vec<_> = self
            .calls
            .values()
            .filter(|call| match call.phase {
                // With an attempt behind it, its end is an event of its own: it settles the key.
                Phase::Ready { .. } => call.attempts.is_empty(),
                Phase::WaitsForKey | Phase::AfterPivot => true,
                _ => false,
            })
            .map(|call| (call.id.clone(), call.phase, call.failure.clone()))
            .collect();
        for (id, phase, failure) in idle {
            match failure {
                Some(failure) if phase == Phase::AfterPivot => self.fail_call(&id, failure, at),
                _ if id.variant == Variant::Primary && phase != Phase::AfterPivot => self.forget_call(&id),
                _ => self.call_off(&id, at),
            }
        }
        self.unreached = self.unreached_calls();
        for position in 0..self.steps.len() {
            let step = &mut self.steps[position];
            if step.status.is_ended() {
                continue;
            }
            step.end_pending(StepStatus::Skipped, None);
            if step.live == 0 && step.tally(StepStatus::Skipped) == step.slots().len() {
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

    /// What has not begun, but may have in the window that a restore lost: nobody has settled it.
    fn unreached_calls(&self) -> Vec<CallId> {
        if self.restored.is_none() {
            return Vec::new();
        }
        let mut calls = Vec::new();
        for (step, state) in self.plan().steps.iter().zip(&self.steps) {
            let changes =
                step.call().and_then(|spec| self.manifests.get(&spec.tool)).is_some_and(|manifest| {
                    let rules = manifest.side_effect_rules.iter().map(|rule| rule.class);
                    rules.chain([manifest.side_effect]).any(|class| class != SideEffect::ReadOnly)
                });
            if state.status.is_ended() || !changes {
                continue;
            }
            let first = CallId::forward(step.id.clone(), None);
            let slots = u32::try_from(state.slots().len()).unwrap_or(u32::MAX);
            let each = (0..slots).map(|index| CallId::forward(step.id.clone(), Some(index)));
            let named = if matches!(step.kind, StepKind::FanOut(_)) && slots > 0 {
                each.collect()
            } else {
                vec![first]
            };
            let begun = |id: &CallId| self.calls.get(id).is_some_and(|call| call.pinned.is_some());
            calls.extend(named.into_iter().filter(|id| !begun(id)));
        }
        calls
    }

    /// A forward call that has ended without a known outcome is taken up again, only to find out.
    pub(super) fn on_settling_began(&mut self, e: &SettlingBegan, at: Timestamp) -> Result<(), String> {
        let Some(call) = self.calls.get_mut(&e.call) else { return Err(format!("no call {}", e.call)) };
        if !call.is_ended() || call.settles() {
            return Err(format!("{} is under way", e.call));
        }
        call.purpose = Purpose::Settle;
        call.phase = match e.by {
            SettledBy::SameCall => Phase::Ready { not_before: at },
            SettledBy::Person => Phase::NeedsPerson,
        };
        call.ended_at = None;
        call.start_over();
        let step = call.step;
        self.live_forward += 1;
        self.settling += 1;
        self.steps[step].live += 1;
        self.doing.look.insert(e.call.clone());
        Ok(())
    }

    pub(super) fn on_undo_skipped(&mut self, e: &UndoSkipped, at: Timestamp) -> Result<(), String> {
        let forward = e.call.forward_of();
        let Some(forward) = self.calls.get(&forward) else { return Err(format!("no call {forward}")) };
        let (step, tool) = (forward.step, forward.tool.clone());
        self.enter_call(&e.call, step, &tool, at);
        self.doing.calls.remove(&e.call);
        if let SkippedUndo::SharedWith { tasks } = e.why {
            self.keep_shared(&e.call, tasks, at);
            return Ok(());
        }
        self.undo_has_ended(step);
        if let Some(call) = self.calls.get_mut(&e.call) {
            call.phase = Phase::Ended(CallEnd::Skipped);
            call.ended_at = Some(at);
        }
        Ok(())
    }

    pub(super) fn on_finished(&mut self, e: &Finished, at: Timestamp) -> Result<(), String> {
        let verdict = match &self.course {
            Course::Ending { verdict, .. } => Some(verdict.clone()),
            _ => None,
        };
        self.course = Course::Finished(Box::new(End {
            verdict,
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
