//! The store came back from an older backup: calls may have run of which the journal knows nothing (DESIGN section 11).
//!
//! Whatever the task has not ended may have been begun, or begun again, in the window that was lost. There is no point
//! of the journal that could not have been reached in it, so this holds for the whole rest of the task: the first intent
//! of each call that must not be repeated is written as one that the window may hold, and is settled as any other
//! unknown outcome, by a probe or by a person.

use holdfast_types::restore::Restore;
use holdfast_types::{CallId, Class, Effect, Failure, Reason, SideEffect, Source, Timestamp};

use crate::Task;
use crate::event::{AttemptStarted, LostWindow};
use crate::state::{AttemptState, CLOCK_ERROR, Call, Phase};

impl Task {
    pub(super) fn on_restored(&mut self, restore: &Restore, at: Timestamp) {
        let lost = LostWindow::joined(self.restored, restore);
        self.restored = Some(lost);
        let begun: Vec<CallId> =
            self.calls.values().filter(|call| may_have_gone_on(call)).map(|call| call.id.clone()).collect();
        for id in begun {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            call.effect = call.effect.join(Effect::Unknown);
            let tail = call.attempts.last().map_or(lost.until, |attempt| {
                tail(lost, attempt.started_at, attempt.not_after, attempt.timeout)
            });
            call.lost_until = call.lost_until.max(Some(tail));
            // What is open is fenced, and settled when it is closed.
            let rests = matches!(call.phase, Phase::Ready { .. } | Phase::AfterPivot);
            let Some(call) = self.calls.get(&id) else { continue };
            if rests && call.open_attempt().is_none() && !self.is_repeatable(call, at) {
                self.doubt(&id, lost, at);
            }
        }
        self.look_again();
    }

    /// The first intent of a call that the lost window may hold already.
    pub(super) fn on_lost_attempt(&mut self, e: &AttemptStarted, lost: LostWindow, at: Timestamp) {
        let Some(call) = self.calls.get_mut(&e.call) else { return };
        if let Some(pinned) = &mut call.pinned {
            // A tool that remembers keys for a time may have seen this one as early as then.
            pinned.first_at = pinned.first_at.min(lost.from);
        }
        call.effect = call.effect.join(Effect::Unknown);
        call.lost_until = Some(tail(lost, at, e.not_after, e.timeout));
        let Some(call) = self.calls.get(&e.call) else { return };
        if self.is_repeatable(call, at) {
            return;
        }
        if let Some(attempt) = self.calls.get_mut(&e.call).and_then(|call| call.attempt_mut(e.attempt)) {
            attempt.state = AttemptState::Lost;
        }
        self.doubt(&e.call, lost, at);
    }

    fn doubt(&mut self, id: &CallId, lost: LostWindow, at: Timestamp) {
        self.questions.remove(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.failure = Some(in_doubt(lost));
        call.phase = Phase::Settling { ask_at: at };
        self.doing.look.insert(id.clone());
    }
}

/// A call that is not over, and whose attempts change something.
fn may_have_gone_on(call: &Call) -> bool {
    !call.is_ended() && call.side_effect().is_some_and(|class| class != SideEffect::ReadOnly)
}

/// Until when an attempt that was begun in the window may be under way. Workers take calls as long after their intent as
/// this attempt's may.
fn tail(
    lost: LostWindow,
    started_at: Timestamp,
    not_after: Timestamp,
    timeout: std::time::Duration,
) -> Timestamp {
    lost.until.after(not_after.since(started_at)).after(timeout).after(CLOCK_ERROR)
}

fn in_doubt(lost: LostWindow) -> Failure {
    let message =
        "the store was restored from a backup, and this call may have run in the time that was lost with it";
    let mut failure = Failure::new(Class::Ambiguous, Effect::Unknown, Reason::StoreRestored, message)
        .from_source(Source::Store);
    failure.details.insert("restored_at_micros".to_owned(), lost.from.micros().to_string());
    failure.details.insert("marked_at_micros".to_owned(), lost.until.micros().to_string());
    failure
}
