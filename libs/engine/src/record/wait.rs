//! Nobody hosts a call's tool, its breaker lets nothing through, or its dependency is called too often: it waits as a row,
//! not in a process (DESIGN sections 2 and 6).

use std::time::Duration;

use holdfast_types::plan::Importance;
use holdfast_types::{CallId, Failure, Timestamp};

use crate::event::{CallFailed, CallWaits};
use crate::state::{Awaited, Call, Phase};
use crate::{Event, Task};

/// The first distance between two looks; each is as long as the wait so far.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// No hold is shorter: each is an event.
const SHORTEST_HOLD: Duration = Duration::from_millis(100);
/// The longest distance: a change of the directory wakes the task before, where somebody sees it.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

impl Task {
    /// Says whether a call waits that can't be sent now. It does not where something stands in for it or it
    /// may be missing: a fallback or a skip follows at once (DESIGN section 7).
    /// An undo waits for half of the time of all undos: the others still run.
    pub(super) fn may_wait(&self, id: &CallId, now: Timestamp) -> bool {
        let Some(call) = self.calls.get(id) else { return false };
        if call.is_undo() || call.settles() {
            return self.compensation_half().is_some_and(|half| now < half);
        }
        let optional = self.plan().steps[call.step].importance == Importance::Optional;
        !optional && self.next_fallback(call.step, id).is_none()
    }

    pub(super) fn wait_for_tool(&mut self, id: CallId, failure: Failure, now: Timestamp) -> Vec<Event> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        let look_again_at = now.after(distance(call, now));
        let failure = Failure { effect: call.effect, ..failure };
        self.wait(id, failure, look_again_at)
    }

    /// Lets a call wait until then, or until it is woken.
    pub(super) fn wait(&mut self, id: CallId, failure: Failure, look_again_at: Timestamp) -> Vec<Event> {
        let Some(call) = self.calls.get_mut(&id) else { return Vec::new() };
        let told = call.failure.as_ref().is_some_and(|told| told.reason == failure.reason);
        if call.waits.is_some() && told {
            // The journal knows already that it waits, and what for.
            call.phase = Phase::Ready { not_before: look_again_at };
            return Vec::new();
        }
        vec![Event::CallWaits(CallWaits { call: id, failure, look_again_at })]
    }

    /// Puts a call off for as long as its dependency's pace asks for: journaled, so that no life comes before that. It
    /// fails at once where its time would be over by then.
    pub(super) fn hold_back(&mut self, id: CallId, mut failure: Failure, now: Timestamp) -> Vec<Event> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        let wait = failure.retry_after.unwrap_or_default().max(SHORTEST_HOLD);
        let (_, over) = self.attempt_time(call, now);
        failure.effect = call.effect;
        self.account(call, &mut failure, now);
        let look_again_at = now.after(wait);
        if look_again_at >= over {
            return vec![Event::CallFailed(CallFailed { call: id, failure })];
        }
        vec![Event::CallWaits(CallWaits { call: id, failure, look_again_at })]
    }
}

/// How long until the next look of a call of which nobody knows when it can be sent.
pub(super) fn distance(call: &Call, now: Timestamp) -> Duration {
    let waits = call.waits.filter(|waits| waits.what == Awaited::Tool);
    let waited = waits.map_or(Duration::ZERO, |waits| now.since(waits.since));
    waited.clamp(FIRST_LOOK, LONGEST_LOOK)
}
