//! What each call wants next: an attempt, a fence, a probe, a person, or its end.

use std::time::Duration;

use holdfast_types::plan::{CallSpec, Fallback};
use holdfast_types::{
    CallId, Class, Effect, Failure, Reason, SideEffect, Timestamp, ToolManifest, Variant, WorkerId,
};

use super::Decided;
use super::hedge::Hedging;
use crate::action::{Execute, Fence, FindLastGood, Hedge, Look, Prepare, PrepareArgs, Probe, SameArgs};
use crate::event::{AttemptClosed, CallFailed, Closed, Question, QuestionAsked, Verdict};
use crate::record::none_good;
use crate::state::{
    Attempt, AttemptState, Awaited, Busy, Call, Course, POISON_KILLS, Pause, Phase, Timer, Working,
};
use crate::{Action, Env, Event, Task};

/// What a look at a call leads to.
enum Want {
    Nothing,
    Later(Timestamp),
    Do(Busy, Box<Action>),
    Hedge(u32, Hedge),
    Emit(Event),
}

/// What a look at an open attempt leads to.
enum Outcome {
    Unpinned,
    Do(Working, Box<Action>),
    Emit(Event),
}

impl Task {
    pub(super) fn decide_calls(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        while let Some(id) = self.doing.look.pop_first() {
            let Some(call) = self.calls.get(&id) else { continue };
            if call.is_ended() {
                continue;
            }
            for (attempt, worker) in self.to_cancel(call) {
                if self.doing.cancelled.insert((id.clone(), attempt)) {
                    decided.actions.push(Action::Cancel { call: id.clone(), attempt, worker });
                }
            }
            let mut want = self.want_outcomes(&id, env.now, decided);
            if matches!(want, Want::Nothing) && self.busy(&id).is_none() {
                let Some(call) = self.calls.get(&id) else { continue };
                want = self.want(call, env.now);
            }
            match want {
                Want::Nothing => {}
                Want::Later(at) => self.doing.timers.arm(Timer::Call(id), at),
                Want::Do(busy, action) => {
                    self.doing.calls.insert(id, busy);
                    decided.actions.push(*action);
                }
                Want::Hedge(attempt, hedge) => {
                    self.doing.hedged.insert((id.clone(), attempt));
                    self.doing.calls.insert(id, Busy::Hedging);
                    decided.actions.push(Action::Hedge(hedge));
                }
                Want::Emit(event) => {
                    decided.events.push(event);
                    self.doing.look.insert(id);
                    return;
                }
            }
        }
    }

    /// Has each open attempt sent, attached to, or closed; an event is emitted first.
    fn want_outcomes(&mut self, id: &CallId, now: Timestamp, decided: &mut Decided) -> Want {
        let Some(call) = self.calls.get(id) else { return Want::Nothing };
        let mut marks = Vec::new();
        for attempt in call.open_attempts() {
            let mark = (id.clone(), attempt.number);
            if self.doing.attempts.contains_key(&mark) {
                continue;
            }
            match self.want_outcome(call, attempt, now) {
                Outcome::Unpinned => {}
                Outcome::Do(working, action) => {
                    marks.push((mark, working));
                    decided.actions.push(*action);
                }
                Outcome::Emit(event) => {
                    self.doing.attempts.extend(marks);
                    return Want::Emit(event);
                }
            }
        }
        self.doing.attempts.extend(marks);
        Want::Nothing
    }

    /// The attempts of a call that is not wanted any more, where their work is to be aborted.
    fn to_cancel(&self, call: &Call) -> Vec<(u32, WorkerId)> {
        if call.is_undo() || call.settles() || call.open_attempt().is_none() {
            return Vec::new();
        }
        let repeatable = call.side_effect().is_some_and(SideEffect::is_repeatable);
        let unwanted = match &self.course {
            Course::Forward => !self.wants_forward(call.step),
            Course::Ending { verdict: Verdict::Failed { .. }, .. } => repeatable,
            Course::Ending { .. } => true,
            Course::Quarantined { .. } | Course::Finished(_) => false,
        };
        let open = call.open_attempts().filter(|_| unwanted);
        open.map(|attempt| (attempt.number, attempt.worker)).collect()
    }

    fn want(&self, call: &Call, now: Timestamp) -> Want {
        if self.is_out_of_time(call, now) {
            return Want::Emit(self.out_of_time(call));
        }
        match call.phase {
            Phase::Ready { not_before } => self.want_attempt(call, not_before, now),
            Phase::Open => match self.want_hedge(call, now) {
                Hedging::No => Want::Nothing,
                Hedging::Later(at) => Want::Later(at),
                Hedging::Now(attempt, hedge) => Want::Hedge(attempt, hedge),
            },
            Phase::Settling { ask_at } if self.settling_class(call) == SideEffect::Verifiable => {
                if ask_at > now { Want::Later(ask_at) } else { self.want_probe(call) }
            }
            Phase::Settling { .. } | Phase::NeedsPerson => self.want_person(call),
            Phase::AfterPivot => {
                let failure = call.failure.clone().unwrap_or_else(|| lost(call));
                self.ask(call, Question::AfterPivot { failure })
            }
            Phase::WaitsForKey => match self.doing.held.get(&call.id) {
                Some(held) => Want::Do(
                    Busy::WaitingKey,
                    Box::new(Action::WaitKey { call: call.id.clone(), key: held.key.clone() }),
                ),
                None => Want::Nothing,
            },
            Phase::Ended(_) => Want::Nothing,
        }
    }

    fn want_attempt(&self, call: &Call, not_before: Timestamp, now: Timestamp) -> Want {
        let fail =
            |failure: Failure| Want::Emit(Event::CallFailed(CallFailed { call: call.id.clone(), failure }));
        if !self.wants(call) {
            return match (&self.course, &self.steps[call.step].failure) {
                (Course::Forward, Some(failure)) => fail(Failure { effect: call.effect, ..failure.clone() }),
                (Course::Forward, None) if self.doom.is_none() => fail(not_needed(call.effect)),
                // A person's "run it again" after the verdict is no: nothing new starts.
                (Course::Ending { .. }, _) => fail(match (&call.failure, call.effect) {
                    (Some(failure), Effect::Unknown) => failure.clone(),
                    _ => not_needed(call.effect),
                }),
                _ => Want::Nothing,
            };
        }
        if call.kills >= POISON_KILLS {
            return fail(Failure::new(
                Class::Crashed,
                call.effect,
                Reason::Poison,
                format!("{} workers died while they ran it: it is not tried again", call.kills),
            ));
        }
        if let Some(failure) = self.refused_with_sibling(call) {
            return fail(failure);
        }
        if self.pause == Pause::Paused && self.is_forward() {
            return Want::Nothing;
        }
        if not_before > now {
            return Want::Later(not_before);
        }
        if let Some(stand_in) = self.stand_in(call) {
            return stand_in;
        }
        if let Some(key) = self.withheld_by(call) {
            return Want::Do(Busy::WaitingKey, Box::new(Action::WaitKey { call: call.id.clone(), key }));
        }
        match self.prepare(call, now) {
            Ok(prepare) => Want::Do(Busy::Preparing, Box::new(Action::Prepare(prepare))),
            Err(failure) => fail(failure),
        }
    }

    /// A fallback that is no call: a value, or the last good result.
    fn stand_in(&self, call: &Call) -> Option<Want> {
        let Variant::Fallback(position) = call.id.variant else { return None };
        let spec = self.plan().steps[call.step].call()?;
        match spec.fallback.get(usize::from(position))? {
            Fallback::Tool { .. } => None,
            Fallback::Value(value) => Some(Want::Do(
                Busy::StandingIn,
                Box::new(Action::StandIn { call: call.id.clone(), value: value.clone() }),
            )),
            Fallback::LastGood { .. } => Some(self.want_last_good(call, spec)),
        }
    }

    /// The result of a call that changes something stands for an effect: only a read's may stand in for another's.
    fn want_last_good(&self, call: &Call, spec: &CallSpec) -> Want {
        let primary = CallId { variant: Variant::Primary, ..call.id.clone() };
        let args = match self.calls.get(&primary).and_then(|primary| primary.pinned.as_ref()) {
            Some(pinned) if pinned.side_effect != SideEffect::ReadOnly => {
                let message = format!(
                    "only a READ_ONLY call has a last good result, and this one is {}",
                    pinned.side_effect
                );
                let failure = none_good(message);
                return Want::Emit(Event::CallFailed(CallFailed { call: call.id.clone(), failure }));
            }
            Some(pinned) => SameArgs::Fingerprint(pinned.fingerprint.clone()),
            None => SameArgs::Template { args: spec.args.clone(), item: self.item_of(call) },
        };
        let find = FindLastGood { call: call.id.clone(), tool: spec.tool.clone(), args };
        Want::Do(Busy::StandingIn, Box::new(Action::LastGood(find)))
    }

    fn item_of(&self, call: &Call) -> Option<serde_json::Value> {
        self.item(&call.id.step, call.id.index?).cloned()
    }

    fn prepare(&self, call: &Call, now: Timestamp) -> Result<Prepare, Failure> {
        let spec = self.plan().steps[call.step].call();
        let args = if call.pinned.is_some() {
            PrepareArgs::Known
        } else if call.is_undo() {
            self.undo_args(call, self.item_of(call))?
        } else {
            let spec = spec.ok_or_else(|| lost(call))?;
            let (args, key, failure) = match call.id.variant {
                Variant::Primary => (spec.args.clone(), spec.key.clone(), None),
                Variant::Fallback(position) => match spec.fallback.get(usize::from(position)) {
                    Some(Fallback::Tool { args, .. }) => {
                        let slot = self.steps[call.step].slot(call.id.index);
                        (args.clone(), None, slot.and_then(|slot| slot.failure.clone()).map(Box::new))
                    }
                    _ => return Err(lost(call)),
                },
            };
            PrepareArgs::Template { args, key, item: self.item_of(call), failure }
        };
        let (timeout, until) = self.attempt_time(call, now);
        let look = match call.waits.map(|waits| waits.what) {
            Some(Awaited::Tool) => Look::Again,
            Some(Awaited::Dependency) | None => Look::First,
        };
        let own = spec.filter(|_| call.id.variant == Variant::Primary && !call.is_undo());
        Ok(Prepare {
            call: call.id.clone(),
            tool: call.tool.clone(),
            args,
            timeout,
            until,
            look,
            side_effect: call.side_effect().or_else(|| own.and_then(|spec| spec.side_effect)),
            failed_at: call.attempts.last().map(|attempt| attempt.worker),
        })
    }

    /// The longest that an attempt may take that begins now, and when the time of all of them is over.
    pub(crate) fn attempt_time(&self, call: &Call, now: Timestamp) -> (Duration, Timestamp) {
        let primary = call.id.variant == Variant::Primary && !call.is_undo();
        let spec = self.plan().steps[call.step].call().filter(|_| primary);
        let manifest = self.manifests.get(&call.tool);
        let own = manifest.map_or(ToolManifest::DEFAULT_ATTEMPT_TIMEOUT, |m| m.attempt_timeout);
        let until = match self.compensation_deadline() {
            Some(deadline) if call.is_undo() || call.settles() => deadline,
            _ => self.step_deadline(call.step).min(now.after(self.step_timeout(call.step))),
        };
        let stated = spec.and_then(|spec| spec.attempt_timeout);
        (stated.unwrap_or(own).min(until.since(now)), until)
    }

    fn undo_args(&self, call: &Call, item: Option<serde_json::Value>) -> Result<PrepareArgs, Failure> {
        let forward = self.calls.get(&call.id.forward_of()).ok_or_else(|| lost(call))?;
        let pinned = forward.pinned.as_ref().ok_or_else(|| lost(call))?;
        let intent = pinned.undo.clone().ok_or_else(|| lost(call))?;
        Ok(PrepareArgs::Undo {
            intent,
            args: pinned.args.clone(),
            result: forward.result.clone(),
            key: pinned.tool_key(),
            item,
        })
    }

    /// An open attempt is sent, attached to, or, where it is of an earlier life, closed (PROTOCOL 1).
    fn want_outcome(&self, call: &Call, attempt: &Attempt, now: Timestamp) -> Outcome {
        let Some(pinned) = &call.pinned else { return Outcome::Unpinned };
        let lost = self.doing.lost.contains(&(call.id.clone(), attempt.number));
        if attempt.epoch == self.epoch && !lost {
            let execute = Execute {
                call: call.id.clone(),
                attempt: attempt.number,
                worker: attempt.worker,
                tool: call.tool.clone(),
                args: pinned.args.clone(),
                key: pinned.tool_key(),
                side_effect: pinned.side_effect,
                not_after: attempt.not_after,
                timeout: attempt.timeout,
            };
            let action = match attempt.state {
                AttemptState::Adopted => Action::Attach(execute),
                AttemptState::Open | AttemptState::Lost | AttemptState::Ended { .. } => {
                    Action::Execute(execute)
                }
            };
            return Outcome::Do(Working::Executing, Box::new(action));
        }
        let wanted = self.wants(call);
        if self.is_superseded_freely(call, now) && (wanted || pinned.side_effect == SideEffect::ReadOnly) {
            let closed =
                AttemptClosed { call: call.id.clone(), attempt: attempt.number, how: Closed::Superseded };
            return Outcome::Emit(Event::AttemptClosed(closed));
        }
        let fence = Fence {
            call: call.id.clone(),
            attempt: attempt.number,
            worker: attempt.worker,
            lifetime: attempt.lifetime,
            not_after: attempt.closes_at(),
        };
        Outcome::Do(Working::Fencing, Box::new(Action::Fence(fence)))
    }

    fn want_probe(&self, call: &Call) -> Want {
        let Some(pinned) = &call.pinned else { return Want::Nothing };
        let probe = Probe {
            call: call.id.clone(),
            tool: call.tool.clone(),
            key: pinned.tool_key(),
            args: pinned.args.clone(),
        };
        Want::Do(Busy::Probing, Box::new(Action::Probe(probe)))
    }

    fn want_person(&self, call: &Call) -> Want {
        let failure = call.failure.clone().unwrap_or_else(|| lost(call));
        self.ask(call, Question::UnknownOutcome { failure })
    }

    fn ask(&self, call: &Call, question: Question) -> Want {
        if self.questions.contains_key(&call.id) {
            return Want::Nothing;
        }
        Want::Emit(Event::QuestionAsked(QuestionAsked { call: call.id.clone(), question }))
    }
}

fn lost(call: &Call) -> Failure {
    Failure::new(
        Class::Ambiguous,
        call.effect,
        Reason::WorkerDied,
        format!("the last attempt of {} was lost, and nobody knows whether it took effect", call.id),
    )
}

fn not_needed(effect: Effect) -> Failure {
    Failure::new(Class::Cancelled, effect, Reason::CancelledByTask, "called off: it is not needed any more")
}
