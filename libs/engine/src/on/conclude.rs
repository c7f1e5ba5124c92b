//! What the end of a call means for its slot, its step, its group and its task.

use holdfast_resilience::classify::may_replace;
use holdfast_resilience::degrade::telling;
use holdfast_types::manifest::Reversibility;
use holdfast_types::plan::{Fallback, Importance, OnEnd, Quorum, Rest, StepKind};
use holdfast_types::task::{ResultSource, StepStatus};
use holdfast_types::{
    CallId, Class, Direction, Effect, Failure, Payload, Reason, SideEffect, Timestamp, ToolName, Variant,
};

use crate::Task;
use crate::event::Verdict;
use crate::state::{Attempt, Call, CallEnd, Phase, UNDO_CONCURRENCY, Undos, plan_of};

impl Task {
    /// A call has its result.
    pub(super) fn succeed_call(
        &mut self,
        id: &CallId,
        result: Payload,
        end: CallEnd,
        source: ResultSource,
        at: Timestamp,
    ) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.is_ended() {
            return;
        }
        call.phase = Phase::Ended(end);
        call.ended_at = Some(at);
        call.result = result.clone();
        let position = call.step;
        let executed = end == CallEnd::Succeeded;
        let harmless = call.side_effect() == Some(SideEffect::ReadOnly);
        self.questions.remove(id);
        self.let_go(id);
        if id.direction == Direction::Undo {
            self.undone.push(id.forward_of());
            return;
        }
        if executed && !harmless {
            self.deeds.push(id.clone());
            if self.is_pivot(position, id) {
                self.pivot = Some(id.clone());
            }
        }
        let fallback = id.variant != Variant::Primary;
        if self.calls.get(id).is_some_and(Call::settles) {
            return;
        }
        let source = match source {
            ResultSource::Tool if fallback => ResultSource::Fallback,
            other => other,
        };
        let status = if fallback { StepStatus::Degraded } else { StepStatus::Succeeded };
        self.steps[position].change_slot(id.index, |slot| {
            slot.call = Some(id.clone());
            slot.status = status;
            slot.result = result;
            slot.source = Some(source);
            if status == StepStatus::Succeeded {
                slot.failure = None;
            }
        });
        self.judge_step(position, at);
    }

    /// A call has failed: the next fallback stands in where it may, else its slot has failed.
    pub(super) fn fail_call(&mut self, id: &CallId, failure: Failure, at: Timestamp) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.is_ended() {
            return;
        }
        let cancelled = failure.class == Class::Cancelled;
        if !cancelled && failure.reason != Reason::ResolvedByPerson && self.asks_after_pivot(id) {
            return self.hold_after_pivot(id, failure);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        let settled = matches!(failure.reason, Reason::ResolvedByPerson | Reason::TaskDeadline);
        if call.settles() && call.effect == Effect::Unknown && !settled {
            // Nothing is left but to ask: an undo needs to know what it undoes.
            call.failure = Some(failure);
            call.phase = Phase::NeedsPerson;
            self.doing.calls.remove(id);
            self.doing.look.insert(id.clone());
            return;
        }
        call.phase = Phase::Ended(if cancelled { CallEnd::Cancelled } else { CallEnd::Failed });
        call.ended_at = Some(at);
        call.failure = Some(failure.clone());
        self.note_refusal(id, &failure);
        let Some(call) = self.calls.get(id) else { return };
        let (position, effect, settles) = (call.step, call.effect, call.settles());
        let class = call.side_effect().unwrap_or(SideEffect::ReadOnly);
        self.questions.remove(id);
        self.let_go(id);
        if id.direction == Direction::Undo {
            return;
        }
        if effect == Effect::Executed && class != SideEffect::ReadOnly {
            self.deeds.push(id.clone());
        }
        if settles {
            return;
        }
        // A second deed under another name follows only a call that is proven not to have happened, or whose
        // repeat is harmless anyhow (PROTOCOL 2).
        let may_stand_in = may_replace(class, effect);
        let next = self.next_fallback(position, id);
        if let (true, true, Some(next)) = (may_stand_in, self.wants_forward(position), next)
            && !cancelled
        {
            self.steps[position].change_slot(id.index, |slot| {
                slot.failure = Some(failure);
                slot.status = StepStatus::Running;
                slot.call = Some(next.clone());
            });
            if let Some(tool) = self.tool_of(position, &next) {
                self.enter_call(&next, position, &tool, at);
            }
            return;
        }
        self.steps[position].change_slot(id.index, |slot| {
            slot.call = Some(id.clone());
            slot.status = if cancelled { StepStatus::Cancelled } else { StepStatus::Failed };
            slot.failure = Some(failure);
        });
        self.judge_step(position, at);
    }

    /// After a pivot nothing is undone: a critical failure waits for a person, who may run it again (DESIGN 5).
    fn asks_after_pivot(&self, id: &CallId) -> bool {
        let Some(call) = self.calls.get(id) else { return false };
        let step = &self.plan().steps[call.step];
        self.pivot.is_some()
            && id.direction == Direction::Forward
            && self.wants_forward(call.step)
            && step.importance != Importance::Optional
            && step.group.is_none()
            && self.next_fallback(call.step, id).is_none()
    }

    fn hold_after_pivot(&mut self, id: &CallId, failure: Failure) {
        if let Some(call) = self.calls.get_mut(id) {
            call.failure = Some(failure);
            call.phase = Phase::AfterPivot;
        }
        self.doing.calls.remove(id);
        self.doing.look.insert(id.clone());
    }

    /// Ends a call that never had an effect and is not wanted any more.
    pub(super) fn call_off(&mut self, id: &CallId, at: Timestamp) {
        let failure = Failure::new(
            Class::Cancelled,
            Effect::NotExecuted,
            Reason::CancelledByTask,
            "called off: the task is ending",
        );
        self.fail_call(id, failure, at);
    }

    pub(crate) fn next_fallback(&self, position: usize, id: &CallId) -> Option<CallId> {
        let spec = self.plan().steps[position].call()?;
        let next = match id.variant {
            Variant::Primary => 0,
            Variant::Fallback(position) => position + 1,
        };
        spec.fallback.get(usize::from(next)).map(|_| id.fallback(next))
    }

    /// The tool of a step's call or fallback; a value that stands in goes under the step's own tool.
    pub(crate) fn tool_of(&self, position: usize, id: &CallId) -> Option<ToolName> {
        let spec = self.plan().steps[position].call()?;
        match id.variant {
            Variant::Primary => Some(spec.tool.clone()),
            Variant::Fallback(fallback) => match spec.fallback.get(usize::from(fallback))? {
                Fallback::Tool { tool, .. } => Some(tool.clone()),
                Fallback::LastGood { .. } | Fallback::Value(_) => Some(spec.tool.clone()),
            },
        }
    }

    fn is_pivot(&self, position: usize, id: &CallId) -> bool {
        let stated = self.plan().steps[position]
            .call()
            .is_some_and(|spec| spec.undo == holdfast_types::plan::Undo::Irreversible);
        let declared = self
            .calls
            .get(id)
            .and_then(|call| self.manifests.get(&call.tool))
            .is_some_and(|manifest| manifest.reversibility == Reversibility::Irreversible);
        stated || declared
    }

    /// Says whether new calls of this step may start.
    pub(crate) fn wants_forward(&self, position: usize) -> bool {
        let group_ended =
            self.index.group_of(position).is_some_and(|group| self.steps[group].status.is_ended());
        self.is_forward()
            && self.doom.is_none()
            && !group_ended
            && self.steps[position].failure.is_none()
            && !self.steps[position].status.is_ended()
    }

    /// Ends a step where its slots say that it has ended.
    pub(crate) fn judge_step(&mut self, position: usize, at: Timestamp) {
        if self.steps[position].status.is_ended() {
            return;
        }
        let spec = self.spec.clone();
        let step = &plan_of(&spec).steps[position];
        let importance = step.importance;
        let (total, quorum) = match &step.kind {
            StepKind::Call(_) => (1, Quorum::ByImportance),
            StepKind::FanOut(fan_out) => (self.steps[position].slots().len(), fan_out.quorum),
            StepKind::Group(_) => return self.judge_group(position, at),
        };
        let state = &self.steps[position];
        let good = state.count(StepStatus::counts);
        let ended = state.count(StepStatus::is_ended);
        let overdue = state.failure.clone();
        if total == 0 && overdue.is_some() {
            return self.step_has_failed(position, overdue, at);
        }
        let single = matches!(step.kind, StepKind::Call(_));
        let needed = if single { 0 } else { needed(quorum, total, importance) };
        let lost = good + (total - ended) < needed;
        if lost && self.is_forward() && overdue.is_none() {
            let failure = self.failure_of_slots(position).unwrap_or_else(|| quorum_lost(needed, good, total));
            return self.step_has_failed(position, Some(failure), at);
        }
        if ended < total {
            return;
        }
        let state = &self.steps[position];
        let is = |status| state.tally(status) > 0;
        let failed =
            if single { is(StepStatus::Failed) } else { lost || (overdue.is_some() && good < total) };
        if failed {
            let failure = overdue.or_else(|| self.failure_of_slots(position));
            return self.step_has_failed(position, failure, at);
        }
        let status = if total > 0 && state.tally(StepStatus::Cancelled) == total {
            StepStatus::Cancelled
        } else if state.tally(StepStatus::Succeeded) == total {
            StepStatus::Succeeded
        } else if is(StepStatus::Cancelled) && !self.is_forward() {
            StepStatus::Cancelled
        } else {
            StepStatus::Degraded
        };
        self.end_step(position, status, at);
    }

    pub(super) fn step_has_failed(&mut self, position: usize, failure: Option<Failure>, at: Timestamp) {
        let failure = failure.unwrap_or_else(|| {
            Failure::new(
                Class::Semantic,
                Effect::NotExecuted,
                Reason::QuorumLost,
                "the step can't succeed any more",
            )
        });
        self.steps[position].failure = Some(failure.clone());
        self.end_step(position, StepStatus::Failed, at);
        self.look_at_calls_of(position);
        if self.fails_the_task(position) {
            let spec = self.spec.clone();
            let plan = plan_of(&spec);
            let (step, on_end) = (plan.steps[position].id.clone(), plan.on_failure);
            self.doom_task(Verdict::Failed { step, failure }, on_end);
        }
    }

    /// Says whether the task fails with a step: no group judges it, and it is more than noted.
    pub(crate) fn fails_the_task(&self, position: usize) -> bool {
        let step = &self.plan().steps[position];
        let stated_quorum = match &step.kind {
            StepKind::FanOut(fan_out) => fan_out.quorum != Quorum::ByImportance,
            StepKind::Group(_) => true,
            StepKind::Call(_) => false,
        };
        let alone = self.index.group_of(position).is_none();
        alone && (step.importance != Importance::Optional || stated_quorum)
    }

    /// Ends a group where its members say that it has ended, or that its quorum stands or is lost.
    pub(crate) fn judge_group(&mut self, position: usize, at: Timestamp) {
        let spec = self.spec.clone();
        let plan = plan_of(&spec);
        let StepKind::Group(group) = &plan.steps[position].kind else { return };
        if self.steps[position].status.is_ended() {
            return;
        }
        let (quorum, rest) = (group.quorum, group.rest);
        let index = self.index.clone();
        let members = index.members(position);
        let status = |member: &usize| self.steps[*member].status;
        let total = members.len();
        let good = members.iter().filter(|m| status(m).counts()).count();
        let ended = members.iter().filter(|m| status(m).is_ended()).count();
        let critical_failed = members
            .iter()
            .find(|m| status(m) == StepStatus::Failed && plan.steps[**m].importance != Importance::Optional);
        let (lost, reached) = match quorum {
            Quorum::ByImportance => (critical_failed.is_some(), false),
            stated => {
                let needed = needed(stated, total, Importance::Critical);
                (good + (total - ended) < needed, good >= needed)
            }
        };
        if lost && self.is_forward() {
            let failures = members.iter().filter_map(|m| self.steps[*m].failure.as_ref());
            let failure = most_telling(failures).cloned();
            return self.step_has_failed(position, failure, at);
        }
        let cut = reached && rest == Rest::Cancel;
        if ended < total && !cut {
            return;
        }
        let all_good =
            members.iter().all(|m| matches!(status(m), StepStatus::Succeeded | StepStatus::Skipped));
        let end = if cut || all_good { StepStatus::Succeeded } else { StepStatus::Degraded };
        self.end_step(position, end, at);
        if cut {
            self.cancel_members(members, at);
        }
    }

    /// A group that has failed starts nothing more: its members end, or are called off.
    pub(super) fn cut_members(&mut self, group: usize, at: Timestamp) {
        let index = self.index.clone();
        self.cancel_members(index.members(group), at);
    }

    /// Members that have not begun end here, the others are called off.
    fn cancel_members(&mut self, members: &[usize], at: Timestamp) {
        for member in members {
            let open: Vec<CallId> =
                self.calls_of(*member).filter(|call| !call.is_ended()).map(|call| call.id.clone()).collect();
            if open.is_empty() {
                self.end_step(*member, StepStatus::Cancelled, at);
            }
            for call in open {
                if self.calls.get(&call).is_some_and(|call| call.attempts.is_empty()) {
                    self.call_off(&call, at);
                }
                self.doing.look.insert(call);
            }
            self.steps[*member].end_pending(StepStatus::Cancelled, None);
            self.judge_step(*member, at);
        }
    }

    fn failure_of_slots(&self, position: usize) -> Option<Failure> {
        let slots = self.steps[position].slots();
        let failed = slots.iter().filter(|slot| slot.status == StepStatus::Failed);
        most_telling(failed.filter_map(|slot| slot.failure.as_ref())).cloned()
    }

    /// Remembers why the task must end; the first reason stands.
    pub(super) fn doom_task(&mut self, verdict: Verdict, on_end: OnEnd) {
        if self.is_forward() && self.doom.is_none() {
            let on_end = if self.pivot.is_some() { OnEnd::Keep } else { on_end };
            self.doom = Some((verdict, on_end));
        }
    }

    /// An undo has ended: others may be ready when it was the last of its step, or when there is room again.
    pub(super) fn undo_has_ended(&mut self, step: usize) {
        self.live_undos = self.live_undos.saturating_sub(1);
        self.steps[step].live_undos = self.steps[step].live_undos.saturating_sub(1);
        let room = self.doing.undos == Undos::Queued && self.live_undos <= UNDO_CONCURRENCY / 2;
        if self.steps[step].live_undos == 0 || room {
            self.doing.undos = Undos::Unread;
        }
    }

    /// Takes a call back that never had an attempt: no journal knows it.
    pub(super) fn forget_call(&mut self, id: &CallId) {
        if let Some(call) = self.calls.remove(id) {
            self.live_forward = self.live_forward.saturating_sub(1);
            self.steps[call.step].live = self.steps[call.step].live.saturating_sub(1);
            self.doing.calls.remove(id);
        }
    }

    /// Marks the calls of a step for a look: what of them is open is not wanted any more.
    fn look_at_calls_of(&mut self, position: usize) {
        let open: Vec<CallId> =
            self.calls_of(position).filter(|call| !call.is_ended()).map(|call| call.id.clone()).collect();
        self.doing.look.extend(open);
    }

    /// The marks of this process for a call that is over.
    fn let_go(&mut self, id: &CallId) {
        self.doing.calls.remove(id);
        self.doing.timers.disarm(&crate::state::Timer::Call(id.clone()));
        let Some(call) = self.calls.get(id) else { return };
        for attempt in &call.attempts {
            self.doing.attempts.remove(&(id.clone(), attempt.number));
            self.doing.hedged.remove(&(id.clone(), attempt.number));
        }
        let named = |attempt: &Attempt| (id.clone(), attempt.number, attempt.worker);
        match call.hedge {
            None => self.doing.ack.extend(call.attempts.last().map(named)),
            Some(_) => {
                let (open, ended): (Vec<_>, Vec<_>) =
                    call.attempts.iter().partition(|attempt| attempt.is_open());
                self.doing.losers.extend(open.into_iter().map(named));
                self.doing.ack.extend(ended.into_iter().map(named));
            }
        }
        let step = call.step;
        if call.settles() {
            self.settling = self.settling.saturating_sub(1);
        }
        match id.direction {
            Direction::Forward => {
                self.live_forward = self.live_forward.saturating_sub(1);
                self.steps[step].live = self.steps[step].live.saturating_sub(1);
                self.doing.undos = Undos::Unread;
            }
            Direction::Undo => self.undo_has_ended(step),
        }
        self.doing.steps.insert(step);
    }
}

/// A DEGRADABLE item whose fallbacks are spent counts as a CRITICAL one (PLAN.md).
fn needed(quorum: Quorum, total: usize, importance: Importance) -> usize {
    let importance = if importance == Importance::Optional { importance } else { Importance::Critical };
    quorum.needed(total, importance)
}

fn quorum_lost(needed: usize, good: usize, total: usize) -> Failure {
    Failure::new(
        Class::Semantic,
        Effect::NotExecuted,
        Reason::QuorumLost,
        format!("{needed} of {total} must succeed, {good} did"),
    )
}

/// The failure that tells most of why a group can't succeed; the first of those that tell as much.
fn most_telling<'a>(failures: impl Iterator<Item = &'a Failure>) -> Option<&'a Failure> {
    failures.reduce(|best, next| if telling(next.class) > telling(best.class) { next } else { best })
}
