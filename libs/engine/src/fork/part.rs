//! Which part of the source a fork takes over.
//!
//! A step that has ended is taken over as it ended, unless the task failed with it or was ended around it; a fan-out or
//! a group that has not ended well is taken over as far as it came. What the fork runs itself, everything that depends
//! on it is run again too.

use holdfast_types::StepId;
use holdfast_types::plan::{Rest, StepKind};
use holdfast_types::task::StepStatus;

use super::source::Source;
use crate::Event;
use crate::event::{InheritedSlot, Proceed, StepEntered, StepInherited};
use crate::state::{Call, Slot};

/// How much of a step is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Nothing,
    /// The subtasks that succeeded.
    Successes,
    Whole,
}

/// The part of a source that a fork takes over.
pub(super) struct Part<'a> {
    source: &'a Source,
    shares: Vec<Share>,
}

impl<'a> Part<'a> {
    /// Finds the part; `from` is the position of the step that the fork runs itself in any case.
    pub(super) fn of(source: &'a Source, from: Option<usize>) -> Self {
        let task = &source.task;
        let steps = task.steps.len();
        // A group that would not wait for its members is run again as a whole.
        let whole = |group: usize| match &task.plan().steps[group].kind {
            StepKind::Group(group) => group.rest == Rest::Cancel,
            StepKind::Call(_) | StepKind::FanOut(_) => false,
        };
        let ill = (0..steps).filter(|at| has_ended_ill(source, *at)).collect();
        let again = task.index.and_after(ill, whole);
        // What was asked for is run again as a whole too.
        let asked = from.map(|step| task.index.root(step)).unwrap_or_default();
        let asked = task.index.and_after(asked, whole);
        let share = |at: usize| {
            let partial = !matches!(task.plan().steps[at].kind, StepKind::Call(_));
            match task.steps[at].status {
                _ if asked[at] => Share::Nothing,
                status if status.is_ended() && !again[at] => Share::Whole,
                StepStatus::Pending => Share::Nothing,
                _ if partial => Share::Successes,
                _ => Share::Nothing,
            }
        };
        let mut shares: Vec<Share> = (0..steps).map(share).collect();
        // A member of a group that is judged again counts only where it succeeded.
        for at in 0..steps {
            let judged_again = task.index.group_of(at).is_some_and(|group| shares[group] != Share::Whole);
            if judged_again && shares[at] == Share::Whole && !task.steps[at].status.counts() {
                shares[at] = Share::Nothing;
            }
        }
        Self { source, shares }
    }

    fn with_shares(&self) -> impl Iterator<Item = (usize, Share)> + '_ {
        self.shares.iter().copied().enumerate()
    }

    /// The calls that are taken over, in the plan's order.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.with_shares().flat_map(|(at, share)| self.calls_of(at, share))
    }

    fn calls_of(&self, at: usize, share: Share) -> impl Iterator<Item = &Call> {
        let task = &self.source.task;
        let taken = move |call: &&Call| match share {
            Share::Nothing => false,
            Share::Whole => true,
            Share::Successes => task.steps[at].slot(call.id.index).is_some_and(|slot| slot.status.counts()),
        };
        task.calls_of(at).filter(|call| !call.is_undo() && call.is_ended()).filter(taken)
    }

    /// The steps of which something is taken over.
    pub(super) fn steps(&self) -> Vec<StepId> {
        let plan = self.source.task.plan();
        let some = |at: usize, share| match share {
            Share::Nothing => false,
            Share::Whole => true,
            Share::Successes => {
                let members = self.source.task.index.members(at);
                let taken = |member: &usize| self.shares[*member] != Share::Nothing;
                self.calls_of(at, share).next().is_some() || members.iter().any(taken)
            }
        };
        let taken = self.with_shares().filter(|(at, share)| some(*at, *share));
        taken.map(|(at, _)| plan.steps[at].id.clone()).collect()
    }

    /// The events that say it: a group before its members, a step before its calls.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (at, share) in self.with_shares() {
            let outcomes: Vec<Event> =
                self.calls_of(at, share).filter_map(|call| self.source.outcome(call)).collect();
            match share {
                Share::Nothing => {}
                Share::Whole => events.push(self.ended(at)),
                Share::Successes => events.extend(self.entered(at, &outcomes)),
            }
            events.extend(outcomes);
        }
        events
    }

    fn ended(&self, at: usize) -> Event {
        let task = &self.source.task;
        let (step, state) = (&task.plan().steps[at], &task.steps[at]);
        let fan_out = matches!(step.kind, StepKind::FanOut(_));
        let index = |slot: usize| u32::try_from(slot).ok().filter(|_| fan_out);
        let called: Vec<_> = self.calls_of(at, Share::Whole).map(|call| call.id.index).collect();
        let without_call = |(slot, ended): (usize, &Slot)| {
            // Both are in the order of indices.
            called.binary_search(&index(slot)).is_err().then(|| InheritedSlot {
                index: index(slot),
                status: ended.status,
                failure: ended.failure.clone(),
            })
        };
        Event::StepInherited(StepInherited {
            step: step.id.clone(),
            status: state.status,
            items: fan_out.then(|| state.items.clone()),
            failure: state.failure.clone(),
            slots: state.slots().iter().enumerate().filter_map(without_call).collect(),
        })
    }

    /// A step that goes on in the fork was entered there: its list stays what it was.
    fn entered(&self, at: usize, outcomes: &[Event]) -> Option<Event> {
        let task = &self.source.task;
        let (step, state) = (&task.plan().steps[at], &task.steps[at]);
        let goes_on = match step.kind {
            StepKind::FanOut(_) => !outcomes.is_empty(),
            StepKind::Group(_) => {
                step.when.is_some()
                    && task.index.members(at).iter().any(|member| self.shares[*member] != Share::Nothing)
            }
            StepKind::Call(_) => false,
        };
        let items = matches!(step.kind, StepKind::FanOut(_)).then(|| state.items.clone());
        goes_on
            .then(|| Event::StepEntered(StepEntered { step: step.id.clone(), proceed: Proceed::Run, items }))
    }
}

/// Says whether a step has ended in a way that is not to be taken over: the task failed with it, or ended around it.
fn has_ended_ill(source: &Source, at: usize) -> bool {
    let task = &source.task;
    let by_itself = source.ended_before_verdict.as_ref().is_none_or(|before| before[at]);
    let group = matches!(task.plan().steps[at].kind, StepKind::Group(_));
    match task.steps[at].status {
        StepStatus::Succeeded => group && !by_itself,
        StepStatus::Failed => !by_itself || task.fails_the_task(at),
        StepStatus::Degraded | StepStatus::Skipped | StepStatus::Cancelled => !by_itself,
        StepStatus::Pending | StepStatus::Running | StepStatus::Unknown => false,
    }
}
