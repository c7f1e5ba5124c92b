//! The end of a task: its output, or its outcome with an exact account.

use holdfast_types::plan::OnEnd;
use holdfast_types::task::StepStatus;
use holdfast_types::{Effect, Failure, Payload, SideEffect, TaskOutcome};

use super::Decided;
use super::compensate::waits_for_person;
use crate::event::{Finished, Verdict};
use crate::on::has_failed_to_undo;
use crate::report::{Annotation, FailedUndo, Report, Standing};
use crate::state::{CallEnd, Course, Phase, Pinned, Shared, Word};
use crate::{Action, Env, Event, Task};

impl Task {
    pub(super) fn decide_end(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        match &self.course {
            Course::Forward => self.decide_output(decided),
            Course::Ending { verdict, on_end, .. } => {
                let over = self.compensation_deadline().is_none_or(|deadline| env.now >= deadline);
                let (verdict, on_end) = (verdict.clone(), *on_end);
                if self.may_end(on_end, over) {
                    decided.events.push(self.finish(&verdict, on_end));
                }
            }
            Course::Quarantined { .. } | Course::Finished(_) => {}
        }
    }

    fn decide_output(&mut self, decided: &mut Decided) {
        if self.open_steps > 0 || self.live_forward > 0 || self.doom.is_some() || self.doing.output {
            return;
        }
        self.doing.output = true;
        decided.actions.push(Action::Output { template: self.plan().output.clone() });
    }

    /// Everything that was begun is settled or listed as unknown, and every undo has ended (PROTOCOL 11).
    fn may_end(&self, on_end: OnEnd, over: bool) -> bool {
        if self.live_undos > 0 || !self.is_settled() || self.is_settling() {
            return false;
        }
        if on_end == OnEnd::Keep || over {
            return true;
        }
        // What a person must settle before its undo is waited for; what has no undo is listed.
        let part = self.part_to_undo(self.undo_from.as_ref());
        let waits = |call: &crate::state::Call| {
            let has_undo = || call.pinned.as_ref().is_some_and(|pinned| pinned.undo.is_some());
            waits_for_person(call) && part[call.step] && has_undo()
        };
        let pending = self.compensable().iter().any(|deed| !self.calls.contains_key(&deed.call.undo()));
        !self.calls.values().any(waits) && !pending
    }

    fn finish(&self, verdict: &Verdict, on_end: OnEnd) -> Event {
        let report = self.report();
        let wanted = match on_end {
            OnEnd::Compensate => self.compensable(),
            OnEnd::Keep => Vec::new(),
        };
        // An undo that failed for good has failed, whichever part is undone now.
        let failed = on_end == OnEnd::Compensate && self.calls.values().any(has_failed_to_undo);
        let standing = failed || wanted.iter().any(|deed| !self.is_undone(&deed.call));
        let undone = wanted.iter().any(|deed| self.is_undone(&deed.call));
        let outcome = match (standing, undone, verdict) {
            (true, _, _) => TaskOutcome::CompensationFailed,
            (false, true, _) => TaskOutcome::Compensated,
            (false, false, Verdict::Failed { .. }) => TaskOutcome::Failed,
            (false, false, Verdict::Cancelled { .. }) => TaskOutcome::Cancelled,
            (false, false, Verdict::Deadline) => TaskOutcome::DeadlineExceeded,
        };
        let failure = match verdict {
            Verdict::Failed { failure, .. } => Some(failure.clone()),
            Verdict::Cancelled { .. } | Verdict::Deadline => None,
        };
        Event::Finished(Box::new(Finished {
            outcome,
            output: Payload::null(),
            failure,
            report,
            extra: Default::default(),
        }))
    }

    pub(crate) fn is_undone(&self, forward: &holdfast_types::CallId) -> bool {
        self.calls.get(&forward.undo()).is_some_and(|undo| {
            matches!(undo.phase, Phase::Ended(CallEnd::Succeeded | CallEnd::Replayed | CallEnd::Skipped))
        })
    }

    /// The exact account, in the plan's order.
    pub(crate) fn report(&self) -> Report {
        let mut report = Report {
            undone: self.undone.clone(),
            retries: self.tally.retries,
            replays: self.tally.replays,
            lives: self.tally.lives,
            ..Report::default()
        };
        for (step, state) in self.plan().steps.iter().zip(&self.steps) {
            let note = |index: Option<u32>, failure: Option<Failure>| Annotation {
                step: step.id.clone(),
                index,
                failure,
            };
            match state.status {
                StepStatus::Degraded if state.slots().len() > 1 || step.call().is_none() => {
                    report.degraded.push(note(None, state.failure.clone()));
                    for (i, slot) in state.slots().iter().enumerate() {
                        if slot.status == StepStatus::Failed {
                            report.missing.push(note(u32::try_from(i).ok(), slot.failure.clone()));
                        }
                    }
                }
                StepStatus::Degraded => {
                    let failure = state.slots().first().and_then(|slot| slot.failure.clone());
                    report.degraded.push(note(None, failure));
                }
                StepStatus::Failed => report.missing.push(note(None, state.failure.clone())),
                _ => {}
            }
        }
        if !self.is_forward() {
            let part = self.part_to_undo(self.undo_from.as_ref());
            report.stands = self.deeds.iter().filter_map(|id| self.standing(id, &part)).collect();
        }
        report.unknown = self
            .calls
            .values()
            .filter(|call| call.effect == Effect::Unknown && !self.is_undone(&call.id))
            .filter(|call| call.side_effect().is_some_and(|class| class != SideEffect::ReadOnly))
            .filter(|call| !matches!(call.phase, Phase::Ended(CallEnd::Succeeded | CallEnd::Replayed)))
            .map(|call| call.id.clone())
            .chain(self.unreached.iter().cloned())
            .collect();
        report
    }

    fn standing(&self, id: &holdfast_types::CallId, part: &[bool]) -> Option<Standing> {
        if self.is_undone(id) {
            return None;
        }
        let call = self.calls.get(id)?;
        let pinned = call.pinned.as_ref();
        let has_undo = pinned.is_some_and(|pinned| pinned.undo.is_some());
        let undo = self.calls.get(&id.undo());
        let asked_from = self.undo_from.as_ref().filter(|_| !part[call.step] && has_undo);
        let shared = undo.and_then(|undo| undo.shared).filter(|shared| shared.word != Word::Undo);
        let why = match (shared, undo.and_then(|undo| undo.failure.as_ref()), asked_from) {
            (Some(Shared { tasks, .. }), _, _) => {
                format!("shared with {tasks} other task(s), which were answered from it")
            }
            (None, Some(failure), _) => format!("its undo failed: {failure}"),
            (None, None, Some(from)) => format!("only '{from}' and what depends on it was to be undone"),
            (None, None, None) if has_undo => "its undo was not run".to_owned(),
            (None, None, None) => "it has no undo".to_owned(),
        };
        let failed = undo.and_then(|undo| Some((undo, undo.failure.clone()?)));
        Some(Standing {
            call: id.clone(),
            why,
            tool: Some(call.tool.clone()),
            key: pinned.map(Pinned::tool_key),
            undo: failed.map(|(undo, failure)| FailedUndo {
                call: undo.id.clone(),
                attempts: u32::try_from(undo.attempts.len()).unwrap_or(u32::MAX),
                failure,
            }),
        })
    }
}
