//! A step of a plan, and its slots: one for a call, one an item for a fan-out, none for a group.

use std::collections::BTreeMap;

use holdfast_types::plan::{Step, StepKind};
use holdfast_types::task::{ResultSource, StepStatus};
use holdfast_types::{CallId, Failure, Payload, StepId, Timestamp};
use serde_json::Value;

use super::{Index, Task};

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct StepState {
    pub(crate) status: StepStatus,
    /// How many dependencies have not ended.
    pub(crate) waits_for: usize,
    /// When its first event came: its time runs from then.
    pub(crate) entered_at: Option<Timestamp>,
    pub(crate) entry: Entry,
    /// The elements of a fan-out.
    pub(crate) items: Vec<Value>,
    slots: Vec<Slot>,
    /// Slots by status, kept beside them so that judging a step does not read them all.
    tally: [usize; StepStatus::ALL.len()],
    /// Calls of this step that have not ended.
    pub(crate) live: usize,
    /// Undos of its calls that have not ended.
    pub(crate) live_undos: usize,
    /// The next item to start, in this life.
    pub(crate) next: usize,
    /// Why it failed, or must fail as soon as its open calls are settled (its time is over).
    pub(crate) failure: Option<Failure>,
    /// Of a fan-out or a group: the dependencies that have refused our credentials, to one of its calls.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) refused: BTreeMap<String, Failure>,
    pub(crate) ended_at: Option<Timestamp>,
}

/// Whether `when` and `for_each` are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Entry {
    /// There is something to evaluate.
    Needed,
    /// There is nothing to evaluate, or it is done.
    Done,
}

/// One subtask of a step: its call, or a fallback's, and what came of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Slot {
    pub(crate) status: StepStatus,
    /// The call that is under way, or was the last.
    pub(crate) call: Option<CallId>,
    pub(crate) result: Payload,
    pub(crate) failure: Option<Failure>,
    pub(crate) attempts: u32,
    pub(crate) source: Option<ResultSource>,
}

impl Slot {
    pub(crate) const fn pending() -> Self {
        Self {
            status: StepStatus::Pending,
            call: None,
            result: Payload::null(),
            failure: None,
            attempts: 0,
            source: None,
        }
    }
}

impl StepState {
    pub(crate) fn new(step: &Step, index: &Index) -> Self {
        let (entry, slots) = match &step.kind {
            StepKind::Call(_) => (Entry::Done, vec![Slot::pending()]),
            StepKind::FanOut(_) => (Entry::Needed, Vec::new()),
            StepKind::Group(_) => (Entry::Done, Vec::new()),
        };
        let entry = if step.when.is_some() { Entry::Needed } else { entry };
        let position = index.position(&step.id).unwrap_or_default();
        let mut step = Self {
            status: StepStatus::Pending,
            waits_for: index.dependencies(position),
            entered_at: None,
            entry,
            items: Vec::new(),
            tally: [0; StepStatus::ALL.len()],
            slots: Vec::new(),
            live: 0,
            live_undos: 0,
            next: 0,
            failure: None,
            refused: BTreeMap::new(),
            ended_at: None,
        };
        step.set_slots(slots);
        step
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn set_slots(&mut self, slots: Vec<Slot>) {
        self.tally = [0; StepStatus::ALL.len()];
        for slot in &slots {
            self.tally[place(slot.status)] += 1;
        }
        self.slots = slots;
    }

    pub(crate) fn slot(&self, index: Option<u32>) -> Option<&Slot> {
        self.slots.get(slot_position(index))
    }

    /// Changes a slot, and keeps the tally true.
    pub(crate) fn change_slot(&mut self, index: Option<u32>, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(slot_position(index)) {
            self.tally[place(slot.status)] -= 1;
            change(slot);
            self.tally[place(slot.status)] += 1;
        }
    }

    /// Gives every slot that has not begun another status.
    pub(crate) fn end_pending(&mut self, status: StepStatus, failure: Option<&Failure>) {
        for slot in self.slots.iter_mut().filter(|slot| slot.status == StepStatus::Pending) {
            slot.status = status;
            slot.failure = failure.cloned();
        }
        let pending = std::mem::take(&mut self.tally[place(StepStatus::Pending)]);
        self.tally[place(status)] += pending;
    }

    pub(crate) fn tally(&self, status: StepStatus) -> usize {
        self.tally[place(status)]
    }

    pub(crate) fn count(&self, is: impl Fn(StepStatus) -> bool) -> usize {
        StepStatus::ALL.iter().filter(|status| is(**status)).map(|status| self.tally(*status)).sum()
    }
}

fn place(status: StepStatus) -> usize {
    status as usize
}

fn slot_position(index: Option<u32>) -> usize {
    index.map_or(0, |index| usize::try_from(index).unwrap_or(usize::MAX))
}

impl Task {
    pub(crate) fn step_mut(&mut self, id: &StepId) -> Option<(usize, &mut StepState)> {
        let position = self.step_index(id)?;
        self.steps.get_mut(position).map(|step| (position, step))
    }

    /// Ends a step, and lets its dependents and its group see it.
    pub(crate) fn end_step(&mut self, position: usize, status: StepStatus, at: Timestamp) {
        if self.steps[position].status.is_ended() {
            return;
        }
        self.steps[position].status = status;
        self.steps[position].ended_at = Some(at);
        self.open_steps -= 1;
        self.disarm_step(position);
        let index = self.index.clone();
        for dependent in index.dependents(position) {
            self.steps[*dependent].waits_for = self.steps[*dependent].waits_for.saturating_sub(1);
            self.doing.steps.insert(*dependent);
        }
        if let Some(group) = index.group_of(position) {
            self.judge_group(group, at);
        }
    }
}

/// Marks that there is nothing left to evaluate before the step.
pub(crate) fn entry_done(step: &mut StepState) {
    step.entry = Entry::Done;
}
