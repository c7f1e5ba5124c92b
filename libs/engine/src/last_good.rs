//! Which outcomes are recorded for later fallbacks: results of reads whose step has a `last_good` (PLAN.md).

use holdfast_types::last_good::{LastGoodKey, NewLastGood};
use holdfast_types::plan::Fallback;
use holdfast_types::{CallId, Direction, Payload, SideEffect, Timestamp, Variant};

use crate::Task;
use crate::event::{Ended, Event, Probe};

impl Task {
    /// The result that is recorded with an event. Called before the event is applied.
    pub(crate) fn last_good(&self, event: &Event, at: Timestamp) -> Option<NewLastGood> {
        match event {
            Event::AttemptEnded(e) => match &e.ended {
                Ended::Succeeded { result, .. } => self.good(&e.call, result, at),
                Ended::Failed { .. } => None,
            },
            Event::Probed(e) => match &e.answer {
                Probe::Done { result } => self.good(&e.call, result, at),
                Probe::NotDone | Probe::NotYet { .. } | Probe::Unknown => None,
            },
            _ => None,
        }
    }

    fn good(&self, id: &CallId, result: &Payload, at: Timestamp) -> Option<NewLastGood> {
        if (id.variant, id.direction) != (Variant::Primary, Direction::Forward) {
            return None;
        }
        let call = self.calls.get(id)?;
        let ages =
            self.plan().steps[call.step].call()?.fallback.iter().filter_map(|fallback| match fallback {
                Fallback::LastGood { max_age } => Some(*max_age),
                Fallback::Tool { .. } | Fallback::Value(_) => None,
            });
        let keep_for = ages.max()?;
        let pinned = call.pinned.as_ref().filter(|pinned| pinned.side_effect == SideEffect::ReadOnly)?;
        let key = LastGoodKey {
            namespace: self.spec.namespace.clone(),
            tool: call.tool.clone(),
            fingerprint: pinned.fingerprint.clone(),
        };
        Some(NewLastGood { key, call: id.clone(), result: result.clone(), at, keep_for })
    }
}
