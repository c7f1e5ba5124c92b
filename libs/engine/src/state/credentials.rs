//! Siblings that share credentials: what one of them was refused for good is not asked for again by the others.

use holdfast_types::{CallId, Class, Direction, Effect, Failure, Reason};

use super::{Call, Task};

impl Task {
    /// The step that a call shares with its siblings: the fan-out that it is an item of, or the group that its step is in.
    fn shared_step(&self, call: &Call) -> Option<usize> {
        call.id.index.map(|_| call.step).or_else(|| self.index.group_of(call.step))
    }

    /// Notes that the call's dependency has refused our credentials. What several calls name as their dependency they
    /// reach with the same ones; tools of different credentials name different dependencies.
    pub(crate) fn note_refusal(&mut self, id: &CallId, failure: &Failure) {
        let refused = failure.class == Class::Permanent && failure.reason == Reason::Unauthenticated;
        if !refused || id.direction == Direction::Undo {
            return;
        }
        let Some(call) = self.calls.get(id) else { return };
        let Some(step) = self.shared_step(call) else { return };
        let dependency = self.dependency(call).to_owned();
        self.steps[step].refused.entry(dependency).or_insert_with(|| failure.clone());
    }

    /// A person lets a call run again, and has perhaps mended what it and its siblings were refused for.
    pub(crate) fn forget_refusals(&mut self, id: &CallId) {
        if let Some(step) = self.calls.get(id).and_then(|call| self.shared_step(call)) {
            self.steps[step].refused.clear();
        }
    }

    /// The failure of a call that has not begun, where a sibling's credentials were refused by the same dependency.
    pub(crate) fn refused_with_sibling(&self, call: &Call) -> Option<Failure> {
        if call.is_undo() || call.settles() || call.effect != Effect::NotExecuted {
            return None;
        }
        let refused = &self.steps[self.shared_step(call)?].refused;
        if refused.is_empty() {
            return None;
        }
        let dependency = self.dependency(call);
        let sibling = refused.get(dependency)?;
        let message = format!(
            "not tried: {dependency} has refused the credentials of a call beside it: {}",
            sibling.message
        );
        let failure = Failure { effect: call.effect, message, ..sibling.clone() };
        Some(failure.detail("not_tried", "true"))
    }
}
