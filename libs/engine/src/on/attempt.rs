//! Attempts: intended, not acted on, adopted, closed.

use holdfast_types::task::StepStatus;
use holdfast_types::{Effect, Payload, Timestamp};

use crate::Task;
use crate::event::{AttemptAdopted, AttemptClosed, AttemptNotStarted, AttemptStarted, Closed, Next};
use crate::state::{Attempt, AttemptState, Phase, Pinned};

impl Task {
    pub(super) fn on_attempt_started(&mut self, e: &AttemptStarted, at: Timestamp) -> Result<(), String> {
        let Some(position) = self.step_index(&e.call.step) else {
            return Err(format!("no step of {}", e.call));
        };
        self.ensure_call(&e.call, position, &e.tool, at);
        let Some(call) = self.calls.get_mut(&e.call) else { return Err("the call is gone".to_owned()) };
        if call.is_ended() {
            return Err(format!("{} has ended", e.call));
        }
        if call.pinned.is_none() {
            call.pinned = Some(Pinned {
                side_effect: e.side_effect,
                args: e.args.clone().unwrap_or_else(Payload::null),
                key: e.key.clone(),
                generation: e.key_generation,
                fingerprint: e.fingerprint.clone(),
                undo: e.undo.clone(),
                first_at: at,
            });
        }
        if let Some(pinned) = &mut call.pinned {
            // A later one is claimed only where the attempts before it were not executed.
            pinned.generation = e.key_generation;
        }
        let beside = call.open_attempt().is_some();
        if beside {
            call.hedge = Some(e.attempt);
        }
        call.attempts.push(Attempt {
            number: e.attempt,
            epoch: e.epoch,
            worker: e.worker,
            lifetime: e.lifetime,
            not_after: e.not_after,
            timeout: e.timeout,
            started_at: at,
            state: AttemptState::Open,
        });
        call.phase = Phase::Open;
        call.waits = None;
        if let Some(lost) = e.lost {
            self.on_lost_attempt(e, lost, at);
        }
        if e.attempt > 1 && !beside {
            self.tally.retries += 1;
        }
        self.doing.look.insert(e.call.clone());
        if e.call.direction == holdfast_types::Direction::Undo {
            return Ok(());
        }
        let step = &mut self.steps[position];
        if step.status == StepStatus::Pending {
            step.status = StepStatus::Running;
        }
        let entered = step.entered_at.is_none();
        if entered {
            step.entered_at = Some(at);
        }
        step.change_slot(e.call.index, |slot| {
            slot.status = StepStatus::Running;
            slot.call = Some(e.call.clone());
            slot.attempts += 1;
        });
        if entered {
            self.arm_step(position);
        }
        Ok(())
    }

    pub(super) fn on_attempt_not_started(
        &mut self,
        e: &AttemptNotStarted,
        at: Timestamp,
    ) -> Result<(), String> {
        self.close_attempt(&e.call, e.attempt, Effect::NotExecuted, at)?;
        self.after_failure(&e.call, &e.failure, e.next, at);
        Ok(())
    }

    pub(super) fn on_attempt_adopted(&mut self, e: &AttemptAdopted) -> Result<(), String> {
        let attempt = self.calls.get_mut(&e.call).and_then(|call| call.attempt_mut(e.attempt));
        let Some(attempt) = attempt else { return Err(format!("no attempt {} of {}", e.attempt, e.call)) };
        attempt.epoch = e.epoch;
        attempt.state = AttemptState::Adopted;
        self.doing.lost.remove(&(e.call.clone(), e.attempt));
        self.doing.look.insert(e.call.clone());
        Ok(())
    }

    pub(super) fn on_attempt_closed(&mut self, e: &AttemptClosed, at: Timestamp) -> Result<(), String> {
        let effect = match e.how {
            Closed::NeverSeen | Closed::StoppedBeforeEffect => Effect::NotExecuted,
            Closed::Interrupted | Closed::WorkerDead | Closed::NotAfterPassed | Closed::Superseded => {
                Effect::Unknown
            }
        };
        self.close_attempt(&e.call, e.attempt, effect, at)?;
        let Some(call) = self.calls.get(&e.call) else { return Ok(()) };
        if call.is_ended() || call.open_attempt().is_some() {
            return Ok(());
        }
        let repeatable = self.is_repeatable(call, at);
        let phase = if call.effect == Effect::NotExecuted || repeatable {
            Phase::Ready { not_before: at }
        } else {
            Phase::Settling { ask_at: at }
        };
        if let Some(call) = self.calls.get_mut(&e.call) {
            call.phase = phase;
            if e.how == Closed::WorkerDead {
                call.kills += 1;
            }
        }
        Ok(())
    }

    /// Ends an attempt with what it may have done; the call's effect is the join (PROTOCOL 2).
    pub(super) fn close_attempt(
        &mut self,
        id: &holdfast_types::CallId,
        number: u32,
        effect: Effect,
        at: Timestamp,
    ) -> Result<(), String> {
        let Some(call) = self.calls.get_mut(id) else { return Err(format!("no call {id}")) };
        let Some(attempt) = call.attempt_mut(number) else {
            return Err(format!("no attempt {number} of {id}"));
        };
        attempt.state = AttemptState::Ended { effect, at };
        call.effect = call.effect.join(effect);
        self.doing.lost.remove(&(id.clone(), number));
        self.doing.look.insert(id.clone());
        Ok(())
    }

    /// Takes an intent back that was never written (a refused claim).
    pub(crate) fn retract_attempt(&mut self, id: &holdfast_types::CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let lost = |attempt: &Attempt| attempt.state == AttemptState::Lost;
        if call.open_attempt().is_none() && !call.attempts.last().is_some_and(lost) {
            return;
        }
        let taken = call.attempts.pop();
        if call.attempts.is_empty()
            && let Some(pinned) = call.pinned.take()
        {
            self.doing.wanted.insert(id.clone(), pinned.fingerprint);
            call.effect = Effect::NotExecuted;
            (call.failure, call.lost_until) = (None, None);
        }
        call.phase = Phase::WaitsForKey;
        let step = call.step;
        self.doing.calls.remove(id);
        if let Some(taken) = &taken {
            self.doing.attempts.remove(&(id.clone(), taken.number));
        }
        if taken.is_some_and(|attempt| attempt.number > 1) {
            self.tally.retries = self.tally.retries.saturating_sub(1);
        }
        if id.direction == holdfast_types::Direction::Undo {
            return;
        }
        self.steps[step].change_slot(id.index, |slot| slot.attempts = slot.attempts.saturating_sub(1));
    }

    /// What follows a failed attempt, as it was decided when it failed.
    pub(super) fn after_failure(
        &mut self,
        id: &holdfast_types::CallId,
        failure: &holdfast_types::Failure,
        next: Next,
        at: Timestamp,
    ) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.is_ended() {
            return;
        }
        call.failure = Some(failure.clone());
        if call.open_attempt().is_some() {
            return;
        }
        match next {
            Next::Retry { at } => call.phase = Phase::Ready { not_before: at },
            // The other attempt ended otherwise: the call goes on at once.
            Next::Await => call.phase = Phase::Ready { not_before: at },
            Next::Settle => call.phase = Phase::Settling { ask_at: at },
            Next::Fail => self.fail_call(id, failure.clone(), at),
        }
        self.doing.look.insert(id.clone());
    }
}
