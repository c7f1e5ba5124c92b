//! What follows a failed attempt: the class says who acts, the effect says whether the program may (PROTOCOL 2).

use std::time::Duration;

use holdfast_resilience::backoff;
use holdfast_resilience::classify::{Verdict, may_retry};
use holdfast_types::retry::RetryPolicy;
use holdfast_types::{CallId, Effect, Failure, Reason, RetryHint, SideEffect, Source, Timestamp, Variant};

use crate::event::Next;
use crate::state::{Call, Grown};
use crate::{Circuit, Env, Grant, Task};

/// Undos, and what settles a call before its undo, get at least this many attempts, whatever their tool says: they have a budget of their own in time.
const UNDO_ATTEMPTS: u32 = 10;

impl Task {
    /// Decides what follows `failure` of an attempt of `call`: nothing while another attempt of it is open.
    pub(super) fn next_of(&self, call: &Call, number: u32, failure: &mut Failure, env: &mut Env<'_>) -> Next {
        if call.open_attempts().any(|attempt| attempt.number != number) {
            self.account(call, failure, env.now);
            return Next::Await;
        }
        self.next_after(call, failure, env)
    }

    /// Completes a failure's account.
    pub(super) fn account(&self, call: &Call, failure: &mut Failure, now: Timestamp) {
        failure.attempts = u32::try_from(call.attempts.len()).unwrap_or(u32::MAX);
        // Whole milliseconds, as the journal keeps it: the fold must give the same failure.
        let since = call.pinned.as_ref().map_or(call.created_at, |pinned| pinned.first_at);
        let elapsed = now.since(since).as_millis();
        failure.elapsed = Duration::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX));
    }

    /// Decides what follows `failure` of an attempt of `call`, and completes the failure's account.
    pub(super) fn next_after(&self, call: &Call, failure: &mut Failure, env: &mut Env<'_>) -> Next {
        let effect = call.effect.join(failure.effect);
        self.account(call, failure, env.now);
        let class = self.repeat_class(call, env.now);
        let verdict = match may_retry(class, effect, failure.class) {
            Verdict::Stop if is_refusal(failure.reason) => Verdict::Retry,
            verdict => verdict,
        };
        let wanted = self.wants(call);
        match verdict {
            Verdict::Settle => return Next::Settle,
            Verdict::Stop | Verdict::Unwind => return Next::Fail,
            Verdict::Retry if !wanted => return Next::Fail,
            Verdict::Retry => {}
        }
        let policy = self.policy(&call.id, call);
        if call.tries + 1 >= policy.max_attempts {
            return Next::Fail;
        }
        let hint = failure.retry_after;
        let wait = match (failure.retry_hint, hint) {
            (RetryHint::Exactly, Some(wait)) => wait,
            _ => {
                let Grown { steps, last } = call.backoff;
                backoff::delay(&policy, failure.class, steps + 1, last, (env.random)(), hint)
            }
        };
        let at = env.now.after(wait);
        let over = match self.compensation_deadline() {
            Some(deadline) if call.is_undo() || call.settles() => deadline,
            _ => self.step_deadline(call.step),
        };
        if at >= over {
            return Next::Fail;
        }
        let dependency = self.dependency(call);
        if let Circuit::Shut { left } = env.dependencies.circuit(dependency) {
            return self.next_through(call, failure, left, at, env.now);
        }
        if has_left(failure) && env.dependencies.retry(dependency) == Grant::Refused {
            failure.details.insert("retry_budget_exhausted".to_owned(), "true".to_owned());
            return Next::Fail;
        }
        Next::Retry { at }
    }

    /// The dependency whose budget pays for a retry or a hedge.
    pub(crate) fn dependency<'a>(&'a self, call: &'a Call) -> &'a str {
        self.manifests.get(&call.tool).map_or(call.tool.as_str(), |manifest| manifest.dependency())
    }

    /// The class that decides about repeats: an idempotent tool that has forgotten the key is no better than an
    /// unsafe one (PROTOCOL 6).
    fn repeat_class(&self, call: &Call, now: Timestamp) -> SideEffect {
        match call.side_effect() {
            Some(class) if !class.is_repeatable() => class,
            Some(_) if !self.is_repeatable(call, now) => SideEffect::Unsafe,
            Some(class) => class,
            None => SideEffect::ReadOnly,
        }
    }

    fn policy(&self, id: &CallId, call: &Call) -> RetryPolicy {
        let own = self.manifests.get(&call.tool).map(|manifest| manifest.retry.clone()).unwrap_or_default();
        if call.is_undo() || call.settles() {
            return RetryPolicy { max_attempts: own.max_attempts.max(UNDO_ATTEMPTS), ..own };
        }
        match (id.variant, self.plan().steps[call.step].call()) {
            (Variant::Primary, Some(spec)) => spec.retry.over(&own),
            _ => own,
        }
    }
}

/// Says whether an attempt may have come as far as a worker. One that has not cost its dependency nothing, so its
/// repeat is not paid for from the dependency's budget: a dead worker replica is no storm on the tool behind it.
pub(super) fn has_left(failure: &Failure) -> bool {
    let never_dialled = failure.source == Source::Platform && failure.reason == Reason::ConnectFailed;
    !(never_dialled && failure.effect == Effect::NotExecuted)
}

/// A worker that refused the attempt by a rule of the protocol: another one is asked, or the same once more.
fn is_refusal(reason: Reason) -> bool {
    matches!(reason, Reason::NoCapacity | Reason::Draining | Reason::WrongIncarnation | Reason::TooLate)
}
