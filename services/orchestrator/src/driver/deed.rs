//! An action, with the place on a worker that was taken for it.

use std::collections::HashMap;

use holdfast_engine::Action;
use holdfast_types::{CallId, SideEffect};

use crate::places::Place;

/// An action that waits for its turn.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) action: Action,
    /// The place that its preparation took; none for actions that need none.
    pub(super) place: Option<Place>,
    /// The token of the key that its intent has claimed; none for actions that claim none.
    pub(super) token: Option<u64>,
}

/// When an action may be performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timing {
    /// It need not wait: nothing outside this process changes by it.
    AtOnce,
    /// When all events before it are durable.
    Durable,
}

impl Deed {
    /// Takes the token over under which the key of its call was claimed.
    pub(super) fn claimed(mut self, tokens: &HashMap<&CallId, u64>) -> Self {
        if let Action::Execute(execute) = &self.action {
            self.token = tokens.get(&execute.call).copied();
        }
        self
    }

    pub(super) fn is_attempt_of(&self, call: &CallId) -> bool {
        matches!(&self.action, Action::Execute(execute) if execute.call == *call)
    }

    /// Says whether it leads to a call of a worker that its task waits for.
    pub(super) const fn is_attempt(&self) -> bool {
        matches!(self.action, Action::Execute(_) | Action::Attach(_))
    }

    /// Says whether it may be dropped without harm.
    pub(super) const fn is_courtesy(&self) -> bool {
        matches!(self.action, Action::Ack { .. } | Action::LetGo { .. })
    }
}

/// Says when an action may be performed.
pub(super) const fn timing(action: &Action) -> Timing {
    match action {
        Action::Enter(_)
        | Action::Prepare(_)
        | Action::Hedge(_)
        | Action::StandIn { .. }
        | Action::LastGood(_)
        | Action::Output { .. } => Timing::AtOnce,
        // The intent of a READ_ONLY call is appended but not waited for (DESIGN section 3).
        Action::Execute(execute) if matches!(execute.side_effect, SideEffect::ReadOnly) => Timing::AtOnce,
        Action::Execute(_)
        | Action::Fence(_)
        | Action::Attach(_)
        | Action::Probe(_)
        | Action::WaitKey { .. }
        | Action::Cancel { .. }
        | Action::LetGo { .. }
        | Action::Ack { .. } => Timing::Durable,
    }
}
