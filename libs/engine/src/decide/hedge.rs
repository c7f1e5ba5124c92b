//! Hedges: a second attempt of a slow read, on another worker (PROTOCOL 2 and 12).
//!
//! A hedge is an open attempt of the same call. The first success closes the call, a failure leaves the other attempt
//! running, and what the loser brings later is evidence. A call has at most one hedge.

use holdfast_types::{Direction, SideEffect, Timestamp, Variant};

use crate::Task;
use crate::action::Hedge;
use crate::state::{Attempt, Call, Pause, Phase, Working};

/// What a look at a call with an open attempt leads to.
pub(super) enum Hedging {
    /// Nothing.
    No,
    /// Another look then.
    Later(Timestamp),
    /// A second attempt, beside this one.
    Now(u32, Hedge),
}

impl Task {
    /// The attempt beside which a hedge of this call may be started, as far as time does not count.
    pub(crate) fn may_hedge<'a>(&self, call: &'a Call) -> Option<&'a Attempt> {
        let kind = (call.id.variant, call.id.direction);
        let reads = call.side_effect() == Some(SideEffect::ReadOnly);
        if kind != (Variant::Primary, Direction::Forward) || !reads || call.hedge.is_some() {
            return None;
        }
        let mut open = call.open_attempts();
        let attempt = open.next().filter(|_| call.phase == Phase::Open)?;
        let alone = open.next().is_none();
        // One of an earlier life, or whose connection is lost, is about to be replaced.
        let mark = (call.id.clone(), attempt.number);
        let runs = self.doing.attempts.get(&mark) == Some(&Working::Executing);
        (alone && runs && attempt.epoch == self.epoch).then_some(attempt)
    }

    pub(super) fn want_hedge(&self, call: &Call, now: Timestamp) -> Hedging {
        let spec = self.plan().steps[call.step].call();
        let Some(after) = spec.and_then(|spec| spec.hedge_after) else { return Hedging::No };
        let Some(attempt) = self.may_hedge(call) else { return Hedging::No };
        let asked = self.doing.hedged.contains(&(call.id.clone(), attempt.number));
        if asked || !self.wants_forward(call.step) || self.pause == Pause::Paused {
            return Hedging::No;
        }
        let at = attempt.started_at.after(after);
        if at > now {
            return Hedging::Later(at);
        }
        let (timeout, until) = self.attempt_time(call, now);
        let beside = attempt.worker;
        let hedge = Hedge { call: call.id.clone(), tool: call.tool.clone(), beside, timeout, until };
        Hedging::Now(attempt.number, hedge)
    }
}
