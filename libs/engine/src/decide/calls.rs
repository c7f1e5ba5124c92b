//! What each call wants next: an attempt, a fence, a probe, a person, or its end.

use holdfast_types::plan::Fallback;
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect, Timestamp, ToolManifest, Variant};

use super::Decided;
use crate::action::{Execute, Fence, Look, Prepare, PrepareArgs, Probe};
use crate::event::{AttemptClosed, CallFailed, Closed, Question, QuestionAsked, Verdict};
use crate::state::{Attempt, AttemptState, Busy, Call, Course, POISON_KILLS, Pause, Phase, Timer};
use crate::{Action, Env, Event, Task};

/// What a look at a call leads to.
enum Want {
    Nothing,
    Later(Timestamp),
    Do(Busy, Box<Action>),
    Emit(Event),
}

impl Task {
    pub(super) fn decide_calls(&mut self, env: &mut Env<'_>, decided: &mut Decided) {
        while let Some(id) = self.doing.look.pop_first() {
            let Some(call) = self.calls.get(&id) else { continue };
            if call.is_ended() {
                continue;
            }
            if let Some(attempt) = self.to_cancel(call) {
                let cancel =
                    Action::Cancel { call: id.clone(), attempt: attempt.number, worker: attempt.worker };
                let mark = (id.clone(), attempt.number);
                if self.doing.cancelled.insert(mark) {
                    decided.actions.push(cancel);
                }
            }
            if self.busy(&id).is_some() {
                continue;
            }
            let Some(call) = self.calls.get(&id) else { continue };
            match self.want(call, env.now) {
                Want::Nothing => {}
                Want::Later(at) => self.doing.timers.arm(Timer::Call(id), at),
                Want::Do(busy, action) => {
                    self.doing.calls.insert(id, busy);
                    decided.actions.push(*action);
                }
                Want::Emit(event) => {
                    decided.events.push(event);
                    self.doing.look.insert(id);
                    return;
                }
            }
        }
    }

    /// The attempt of a call that is not wanted any more, where its work is to be aborted.
    fn to_cancel<'a>(&self, call: &'a Call) -> Option<&'a Attempt> {
        let attempt = call.open_attempt()?;
        if call.is_undo() || call.settles() {
            return None;
        }
        let repeatable = call.side_effect().is_some_and(SideEffect::is_repeatable);
        let unwanted = match &self.course {
            Course::Forward => !self.wants_forward(call.step),
            Course::Ending { verdict: Verdict::Failed { .. }, .. } => repeatable,
            Course::Ending { .. } => true,
            Course::Quarantined { .. } | Course::Finished(_) => false,
        };
        unwanted.then_some(attempt)
    }

    fn want(&self, call: &Call, now: Timestamp) -> Want {
        if self.is_out_of_time(call, now) {
            return Want::Emit(self.out_of_time(call));
        }
        match call.phase {
            Phase::Ready { not_before } => self.want_attempt(call, not_before, now),
            Phase::Open => self.want_outcome(call, now),
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
        if self.pause == Pause::Paused && self.is_forward() {
            return Want::Nothing;
        }
        if not_before > now {
            return Want::Later(not_before);
        }
        if let Some(stand_in) = self.stand_in(call) {
            return stand_in;
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
            Fallback::LastGood { .. } => Some(Want::Emit(Event::CallFailed(CallFailed {
                call: call.id.clone(),
                failure: Failure::new(
                    Class::Unavailable,
                    Effect::NotExecuted,
                    Reason::NotFound,
                    "no recorded result is kept for last_good",
                ),
            }))),
        }
    }

    fn prepare(&self, call: &Call, now: Timestamp) -> Result<Prepare, Failure> {
        let manifest = self.manifests.get(&call.tool);
        let spec = self.plan().steps[call.step].call();
        let item = || {
            call.id.index.and_then(|index| {
                self.steps[call.step].items.get(usize::try_from(index).unwrap_or(usize::MAX)).cloned()
            })
        };
        let args = if call.pinned.is_some() {
            PrepareArgs::Known
        } else if call.is_undo() {
            self.undo_args(call, item())?
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
            PrepareArgs::Template { args, key, item: item(), failure }
        };
        let primary = call.id.variant == Variant::Primary && !call.is_undo();
        let stated = spec.filter(|_| primary).and_then(|spec| spec.attempt_timeout);
        let own = manifest.map_or(ToolManifest::DEFAULT_ATTEMPT_TIMEOUT, |m| m.attempt_timeout);
        let until = match self.compensation_deadline() {
            Some(deadline) if call.is_undo() || call.settles() => deadline,
            _ => self.step_deadline(call.step).min(now.after(self.step_timeout(call.step))),
        };
        let timeout = stated.unwrap_or(own).min(until.since(now));
        let look = if call.waits.is_some() { Look::Again } else { Look::First };
        Ok(Prepare { call: call.id.clone(), tool: call.tool.clone(), args, timeout, until, look })
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
    fn want_outcome(&self, call: &Call, now: Timestamp) -> Want {
        let (Some(attempt), Some(pinned)) = (call.open_attempt(), &call.pinned) else { return Want::Nothing };
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
                AttemptState::Open | AttemptState::Ended { .. } => Action::Execute(execute),
            };
            return Want::Do(Busy::Executing, Box::new(action));
        }
        let wanted = self.wants(call);
        if self.is_superseded_freely(call, now) && (wanted || pinned.side_effect == SideEffect::ReadOnly) {
            let closed =
                AttemptClosed { call: call.id.clone(), attempt: attempt.number, how: Closed::Superseded };
            return Want::Emit(Event::AttemptClosed(closed));
        }
        let fence = Fence {
            call: call.id.clone(),
            attempt: attempt.number,
            worker: attempt.worker,
            lifetime: attempt.lifetime,
            not_after: attempt.closes_at(),
        };
        Want::Do(Busy::Fencing, Box::new(Action::Fence(fence)))
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
