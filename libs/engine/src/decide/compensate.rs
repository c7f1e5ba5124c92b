//! Undos: in the order that dependencies and completion give, once each (DESIGN section 5, PROTOCOL 8).

use holdfast_resilience::saga::{self, Deed, Dependencies, Next, Progress, Standing};
use holdfast_types::manifest::Reversibility;
use holdfast_types::plan::OnEnd;
use holdfast_types::{CallId, Effect, StepId};

use super::Decided;
use crate::event::{SettledBy, SettlingBegan};
use crate::state::{Call, Course, Phase, UNDO_CONCURRENCY, Undos};
use crate::{Env, Event, Task};

impl Task {
    pub(super) fn decide_undos(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        let Course::Ending { on_end: OnEnd::Compensate, .. } = self.course else { return };
        if self.doing.undos != Undos::Unread
            || !self.is_settled()
            || self.compensation_deadline().is_none_or(|deadline| env.now >= deadline)
        {
            return;
        }
        self.doing.undos = Undos::Running;
        let deeds = self.compensable();
        let dependencies: Dependencies =
            self.plan().steps.iter().map(|step| (step.id.clone(), step.depends_on.clone())).collect();
        let Next::Start(ready) = saga::next(&deeds, &dependencies) else { return };
        let room = UNDO_CONCURRENCY.saturating_sub(self.live_undos + self.settling);
        if ready.len() > room {
            self.doing.undos = Undos::Queued;
        }
        let ready: Vec<CallId> = ready.into_iter().take(room).cloned().collect();
        for forward in ready {
            let Some(call) = self.calls.get(&forward) else { continue };
            if call.effect == Effect::Unknown {
                // It is not known what there is to undo: that is found out first (PROTOCOL 8).
                if !call.settles() {
                    let by = match self.is_repeatable(call, env.now) {
                        true => SettledBy::SameCall,
                        false => SettledBy::Person,
                    };
                    decided.events.push(Event::SettlingBegan(SettlingBegan { call: forward, by }));
                }
                continue;
            }
            let Some(undo) = call.pinned.as_ref().and_then(|pinned| pinned.undo.clone()) else { continue };
            let step = call.step;
            self.ensure_call(&forward.undo(), step, &undo.tool, env.now);
        }
    }

    /// Says whether no forward call is under way: what is left waits for a person, or is settled for its undo.
    pub(crate) fn is_settled(&self) -> bool {
        // Cheap first: most of the time something is plainly under way.
        let rests = |call: &&Call| waits_for_person(call) || (call.settles() && !call.is_ended());
        self.live_forward <= self.questions.len() + self.settling
            && self.live_forward == self.calls.values().filter(rests).count()
    }

    /// Says whether a call is being settled for its undo, other than by a person.
    pub(crate) fn is_settling(&self) -> bool {
        let under_way = |call: &Call| call.settles() && !call.is_ended() && !waits_for_person(call);
        self.settling > 0 && self.calls.values().any(under_way)
    }

    /// The steps, by position, whose deeds are undone: from one on, or all.
    pub(crate) fn part_to_undo(&self, from: Option<&StepId>) -> Vec<bool> {
        match from.and_then(|step| self.step_index(step)) {
            Some(step) => self.index.and_after(self.index.root(step), |_| false),
            None => vec![true; self.steps.len()],
        }
    }

    /// The forward calls that have an undo and did, or may have done, something, as far as they are to be undone.
    pub(crate) fn compensable(&self) -> Vec<Deed> {
        self.compensable_from(self.undo_from.as_ref())
    }

    /// As [`Task::compensable`], from a step on.
    pub(crate) fn compensable_from(&self, from: Option<&StepId>) -> Vec<Deed> {
        let part = self.part_to_undo(from);
        let has_undo = |call: &Call| has_undo(call) && part[call.step];
        let mut deeds = Vec::new();
        for (order, id) in self.deeds.iter().enumerate() {
            if self.calls.get(id).is_some_and(has_undo) {
                let outcome = u64::try_from(order).unwrap_or(u64::MAX);
                deeds.push(self.deed(id, Standing::Completed { outcome }));
            }
        }
        let unsettled =
            self.calls.values().filter(|c| !c.is_undo() && has_undo(c) && c.effect == Effect::Unknown);
        for call in unsettled {
            let intent = call.pinned.as_ref().map_or(0, |pinned| pinned.first_at.unix_millis());
            deeds.push(self.deed(&call.id, Standing::Unsettled { intent }));
        }
        deeds
    }

    fn deed(&self, id: &CallId, standing: Standing) -> Deed {
        let undo = self.calls.get(&id.undo());
        let under_way = self.calls.get(id).is_some_and(|call| !call.is_ended());
        let progress = match undo {
            // One that waits for a person's word holds no other up.
            Some(undo) if undo.is_ended() || undo.awaits_word() => Progress::Ended,
            Some(_) => Progress::Running,
            None if under_way => Progress::Running,
            None => Progress::Waiting,
        };
        Deed { call: id.clone(), standing, progress, reversibility: Reversibility::Reversible }
    }
}

fn has_undo(call: &Call) -> bool {
    call.pinned.as_ref().is_some_and(|pinned| pinned.undo.is_some())
}

pub(crate) fn waits_for_person(call: &Call) -> bool {
    !call.is_undo() && matches!(call.phase, Phase::NeedsPerson | Phase::AfterPivot)
}
