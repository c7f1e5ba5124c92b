//! A task that has finished is opened again, to undo what it did (PROTOCOL 14).

use holdfast_types::plan::OnEnd;
use holdfast_types::{CallId, Effect, StepId, Timestamp};

use crate::Task;
use crate::event::Verdict;
use crate::state::{Call, CallEnd, Course, Phase};

impl Task {
    /// Undoes what was done from a step on, or all of it. Undos that had failed for good are tried again.
    pub(super) fn compensate(&mut self, from: Option<StepId>, at: Timestamp) {
        self.undo_from = from;
        let part = self.part_to_undo(self.undo_from.as_ref());
        let failed: Vec<CallId> = self
            .calls
            .values()
            .filter(|call| has_failed_to_undo(call) && part[call.step])
            .map(|call| call.id.clone())
            .collect();
        failed.iter().for_each(|undo| self.undo_again(undo, at));
        self.reopen(at);
    }

    /// A person's word on an undo that had failed for good: nothing else begins with it.
    pub(super) fn reopen_for(&mut self, undo: &CallId, at: Timestamp) {
        if matches!(self.course, Course::Finished(_)) && self.is_failed_undo(undo) {
            self.undo_again(undo, at);
            self.reopen(at);
        }
    }

    /// As [`has_failed_to_undo`], by name.
    pub(crate) fn is_failed_undo(&self, id: &CallId) -> bool {
        self.calls.get(id).is_some_and(has_failed_to_undo)
    }

    fn reopen(&mut self, at: Timestamp) {
        let verdict = match &self.course {
            Course::Finished(end) => end.verdict.clone(),
            _ => None,
        };
        let asked = || Verdict::Cancelled { reason: "compensation was asked for".to_owned() };
        let verdict = verdict.unwrap_or_else(asked);
        self.course = Course::Ending { verdict, on_end: OnEnd::Compensate, since: at };
        self.look_at_everything();
    }

    /// Goes on under the same key: what an earlier attempt may have done is found out first, where a repeat would be
    /// harmful.
    fn undo_again(&mut self, id: &CallId, at: Timestamp) {
        let Some(call) = self.calls.get(id) else { return };
        let open = call.effect == Effect::Unknown && !self.is_repeatable(call, at);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.phase = if open { Phase::Settling { ask_at: at } } else { Phase::Ready { not_before: at } };
        call.ended_at = None;
        call.start_over();
        // Whether others rely on it is asked anew.
        (call.shared, call.waits) = (None, None);
        let step = call.step;
        self.live_undos += 1;
        self.steps[step].live_undos += 1;
    }
}

/// Says whether a call is an undo that has failed for good.
pub(crate) fn has_failed_to_undo(call: &Call) -> bool {
    call.is_undo() && matches!(call.phase, Phase::Ended(CallEnd::Failed | CallEnd::Cancelled))
}
