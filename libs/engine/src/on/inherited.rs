//! A step that another task has run: it ends here as it ended there (PROTOCOL 7).

use holdfast_types::Timestamp;
use holdfast_types::plan::StepKind;

use crate::Task;
use crate::event::StepInherited;
use crate::state::{Slot, entry_done};

impl Task {
    /// Nothing is judged: what it means for its group, or for the task, was judged there.
    pub(super) fn on_step_inherited(&mut self, e: &StepInherited, at: Timestamp) -> Result<(), String> {
        if self.spec.forked_from.is_none() {
            return Err(format!("{} is inherited, and the task is no fork", e.step));
        }
        let Some(position) = self.step_index(&e.step) else { return Err(format!("no step {}", e.step)) };
        let slots = match (&self.plan().steps[position].kind, &e.items) {
            (StepKind::Call(_), _) => 1,
            (StepKind::FanOut(_), Some(items)) => items.len(),
            (StepKind::FanOut(_), None) | (StepKind::Group(_), _) => 0,
        };
        let step = &mut self.steps[position];
        if step.status.is_ended() || !e.status.is_ended() {
            return Err(format!("{} is {} and can't be inherited as {}", e.step, step.status, e.status));
        }
        entry_done(step);
        step.entered_at = Some(at);
        step.items = e.items.clone().unwrap_or_default();
        step.set_slots(vec![Slot::pending(); slots]);
        for ended in &e.slots {
            step.change_slot(ended.index, |slot| {
                slot.status = ended.status;
                slot.failure.clone_from(&ended.failure);
            });
        }
        step.failure.clone_from(&e.failure);
        self.end_step(position, e.status, at);
        Ok(())
    }
}
