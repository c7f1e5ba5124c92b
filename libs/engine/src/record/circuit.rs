//! A breaker lets no call of a dependency through: nothing was sent, and nothing was tried (DESIGN sections 6, 7).
//!
//! What has a fallback or may be missing goes on at once. Any other call waits as a row until the breaker is expected
//! back, which costs it no attempt; a breaker that lets calls through earlier wakes it.

use std::time::Duration;

use holdfast_types::{CallId, Failure, Reason, Source, Timestamp};

use super::wait::distance;
use crate::event::{CallFailed, Next};
use crate::state::Call;
use crate::{Env, Event, Task};

/// Named in a failure after which a retry would have met a shut breaker.
const SHUT: &str = "circuit_open";

/// Calls that wait for one breaker look again spread over this part of the wait, so that they don't come all at once.
const SPREAD: u32 = 10;

impl Task {
    /// What follows where a breaker refuses an attempt before its intent.
    pub(super) fn record_circuit_open(
        &mut self,
        id: CallId,
        mut failure: Failure,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        if has_paid(call) {
            env.dependencies.give_back(self.dependency(call));
        }
        // A refusal never lowers what an earlier attempt may have done (PROTOCOL 2).
        failure.effect = call.effect.join(failure.effect);
        self.account(call, &mut failure, env.now);
        if !self.may_wait(&id, env.now) || !self.is_back_in_time(call, failure.retry_after, env.now) {
            return vec![Event::CallFailed(CallFailed { call: id, failure })];
        }
        let look_again_at = match failure.retry_after {
            Some(left) => env.now.after(left).after(spread(left, (env.random)())),
            None => env.now.after(distance(call, env.now)),
        };
        let look_again_at = match self.compensation_half().filter(|_| call.is_undo() || call.settles()) {
            Some(half) => look_again_at.min(half),
            None => look_again_at,
        };
        self.wait(id, failure, look_again_at)
    }

    /// What follows a failed attempt whose dependency has a shut breaker: no sleep into it where something else can be
    /// done, and no token for a retry that is not sent now. A call that waited for a breaker is held back no more than a
    /// first attempt is.
    pub(super) fn next_through(
        &self,
        call: &Call,
        failure: &mut Failure,
        left: Option<Duration>,
        at: Timestamp,
        now: Timestamp,
    ) -> Next {
        failure.details.insert(SHUT.to_owned(), "true".to_owned());
        if self.may_wait(&call.id, now) && self.is_back_in_time(call, left, now) {
            Next::Retry { at }
        } else {
            Next::Fail
        }
    }

    /// Says whether a breaker is expected back while the call may still be made. An undo is not given up before its time.
    fn is_back_in_time(&self, call: &Call, left: Option<Duration>, now: Timestamp) -> bool {
        let forward = !call.is_undo() && !call.settles();
        !(forward && left.is_some_and(|left| now.after(left) >= self.step_deadline(call.step)))
    }
}

/// Says whether the retry that is refused was paid for when it was decided.
fn has_paid(call: &Call) -> bool {
    let paid = |failure: &Failure| {
        failure.reason != Reason::CircuitOpen
            && !failure.details.contains_key(SHUT)
            && super::retry::has_left(failure)
    };
    call.tries > 0 && call.failure.as_ref().is_some_and(paid)
}

fn spread(left: Duration, random: u64) -> Duration {
    let most = u64::try_from((left / SPREAD).as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % most.max(1))
}

/// What a call that waited in vain ended with.
pub(crate) fn waited(missing: &Failure, within: &str) -> Failure {
    let message = match missing.reason {
        Reason::CircuitOpen => format!("{}, and did not close within the step's {within}", missing.message),
        _ => format!("{} within the step's {within}", missing.message),
    };
    let effect = holdfast_types::Effect::NotExecuted;
    let failure = Failure::new(missing.class, effect, missing.reason, message).from_source(Source::Platform);
    Failure { details: missing.details.clone(), ..failure }
}
