//! Calls that wait without an attempt: for a worker which hosts their tool, or for their dependency's sake.

use holdfast_types::{CallId, Direction, Timestamp, ToolName};

use crate::Task;
use crate::event::CallWaits;
use crate::state::{Awaited, Phase, Waits};

impl Task {
    pub(super) fn on_call_waits(&mut self, e: &CallWaits, at: Timestamp) -> Result<(), String> {
        let Some(position) = self.step_index(&e.call.step) else {
            return Err(format!("no step of {}", e.call));
        };
        let Some(tool) = self.tool_to_call(position, &e.call) else {
            return Err(format!("no tool of {}", e.call));
        };
        self.enter_call(&e.call, position, &tool, at);
        let Some(call) = self.calls.get_mut(&e.call) else { return Err("the call is gone".to_owned()) };
        if call.is_ended() {
            return Err(format!("{} has ended", e.call));
        }
        call.phase = Phase::Ready { not_before: e.look_again_at };
        let what = if e.is_held_back() { Awaited::Dependency } else { Awaited::Tool };
        let since = call.waits.filter(|waits| waits.what == what).map_or(at, |waits| waits.since);
        call.waits = Some(Waits { since, what });
        call.failure = Some(e.failure.clone());
        self.doing.look.insert(e.call.clone());
        if e.call.direction == Direction::Forward && self.steps[position].entered_at.is_none() {
            self.steps[position].entered_at = Some(at);
            self.arm_step(position);
        }
        Ok(())
    }

    /// The directory has changed: what waits for a tool looks at once.
    pub(crate) fn look_for_tools(&mut self, now: Timestamp) {
        for call in self.calls.values_mut().filter(|call| call.waits_for_tool()) {
            call.phase = Phase::Ready { not_before: now };
            self.doing.look.insert(call.id.clone());
        }
    }

    /// The tool of a call that no attempt has made known yet.
    pub(super) fn tool_to_call(&self, position: usize, id: &CallId) -> Option<ToolName> {
        match id.direction {
            Direction::Forward => self.tool_of(position, id),
            Direction::Undo => {
                let pinned = self.calls.get(&id.forward_of())?.pinned.as_ref()?;
                pinned.undo.as_ref().map(|undo| undo.tool.clone())
            }
        }
    }
}
