//! Steps whose dependencies have ended are entered, and their calls made ready.

use holdfast_types::plan::StepKind;
use holdfast_types::task::StepStatus;
use holdfast_types::{CallId, Timestamp};

use super::Decided;
use crate::action::Enter;
use crate::state::{Entry, FAN_OUT_CONCURRENCY, Pause};
use crate::{Action, Env, Task};

impl Task {
    pub(super) fn decide_steps(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        if !self.is_forward() || self.doom.is_some() || self.pause == Pause::Paused {
            return;
        }
        while let Some(position) = self.doing.steps.pop_first() {
            if self.is_due(position) {
                self.start_step(position, env.now, decided);
            }
        }
    }

    fn is_due(&self, position: usize) -> bool {
        let group_entered =
            self.index.group_of(position).is_none_or(|group| self.steps[group].entry == Entry::Done);
        self.steps[position].waits_for == 0 && group_entered && self.wants_forward(position)
    }

    fn start_step(&mut self, position: usize, now: Timestamp, decided: &mut Decided) {
        let spec = self.spec.clone();
        let step = &crate::state::plan_of(&spec).steps[position];
        if self.steps[position].entry == Entry::Needed {
            if self.doing.entering.insert(position) {
                let items = match &step.kind {
                    StepKind::FanOut(fan_out) => Some(fan_out.items.clone()),
                    StepKind::Call(_) | StepKind::Group(_) => None,
                };
                let enter = Enter { step: step.id.clone(), when: step.when.clone(), items };
                decided.actions.push(Action::Enter(enter));
            }
            return;
        }
        match &step.kind {
            StepKind::Group(_) => {
                // Once a life: members come back by themselves when something happened to them.
                if self.steps[position].next == 0 {
                    self.steps[position].next = 1;
                    self.doing.steps.extend(self.index.clone().members(position).iter().copied());
                    self.judge_group(position, now);
                }
            }
            StepKind::Call(call) => {
                if self.steps[position].slot(None).is_some_and(|slot| slot.status == StepStatus::Pending) {
                    let id = CallId::forward(step.id.clone(), None);
                    self.ensure_call(&id, position, &call.tool, now);
                }
            }
            StepKind::FanOut(fan_out) => {
                let most = fan_out.concurrency.unwrap_or(FAN_OUT_CONCURRENCY).max(1);
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                while self.steps[position].live < most
                    && self.steps[position].next < self.steps[position].slots().len()
                {
                    let next = self.steps[position].next;
                    self.steps[position].next += 1;
                    if self.steps[position].slots()[next].status != StepStatus::Pending {
                        continue;
                    }
                    let index = u32::try_from(next).unwrap_or(u32::MAX);
                    let id = CallId::forward(step.id.clone(), Some(index));
                    self.ensure_call(&id, position, &fan_out.call.tool, now);
                }
            }
        }
    }
}
