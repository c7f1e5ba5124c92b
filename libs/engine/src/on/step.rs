//! A step is entered, or fails apart from its calls.

use holdfast_types::Timestamp;
use holdfast_types::plan::StepKind;
use holdfast_types::task::StepStatus;

use crate::Task;
use crate::event::{Proceed, StepEntered, StepFailed};
use crate::state::{Slot, entry_done};

impl Task {
    pub(super) fn on_step_entered(&mut self, e: &StepEntered, at: Timestamp) -> Result<(), String> {
        let Some((position, step)) = self.step_mut(&e.step) else {
            return Err(format!("no step {}", e.step));
        };
        entry_done(step);
        step.entered_at = Some(at);
        if e.proceed == Proceed::Skip {
            step.end_pending(StepStatus::Skipped, None);
            self.doing.entering.remove(&position);
            self.end_step(position, StepStatus::Skipped, at);
            self.skip_members(position, at);
            return Ok(());
        }
        step.status = StepStatus::Running;
        if let Some(items) = &e.items {
            step.items.clone_from(items);
            step.set_slots(vec![Slot::pending(); items.len()]);
        }
        self.doing.entering.remove(&position);
        self.doing.steps.insert(position);
        self.doing.steps.extend(self.index.members(position).iter().copied());
        self.arm_step(position);
        if matches!(self.plan().steps[position].kind, StepKind::FanOut(_)) {
            self.judge_step(position, at);
        }
        Ok(())
    }

    pub(super) fn on_step_failed(&mut self, e: &StepFailed, at: Timestamp) -> Result<(), String> {
        let Some((position, step)) = self.step_mut(&e.step) else {
            return Err(format!("no step {}", e.step));
        };
        step.failure = Some(e.failure.clone());
        entry_done(step);
        step.end_pending(StepStatus::Failed, Some(&e.failure));
        self.doing.entering.remove(&position);
        self.disarm_step(position);
        if matches!(self.plan().steps[position].kind, StepKind::Group(_)) {
            self.step_has_failed(position, Some(e.failure.clone()), at);
            self.cut_members(position, at);
            return Ok(());
        }
        // What is open is called off and settled first; the step ends with its last call.
        let open: Vec<_> =
            self.calls_of(position).filter(|call| !call.is_ended()).map(|call| call.id.clone()).collect();
        self.doing.look.extend(open);
        self.judge_step(position, at);
        Ok(())
    }

    /// The members of a group that was skipped are skipped with it.
    fn skip_members(&mut self, group: usize, at: Timestamp) {
        for member in self.index.clone().members(group) {
            self.end_step(*member, StepStatus::Skipped, at);
        }
    }
}
