//! The steps of a driver and its worker with one call of a `VERIFIABLE` tool.

use crate::protocol::{Closing, Foreign, Index, LeaseEnd, Protocol};
use crate::redis::{self, Answer};
use crate::state::{Append, Before, Begun, Driver, EntryState, Life, Recorded, RowState, Stage, State, Then};
use crate::{index, system::Step};

const ASKING: Stage = Stage::Asking { append: Append::Unanswered, begin: Begun::Unanswered };

/// Every step that the driver of this life, or its worker, can take now.
pub fn steps(protocol: &Protocol, state: &State, life: Life, out: &mut Vec<(Step, State)>) {
    let at = state.driver(life);
    let mut take = |step: Step, act: &dyn Fn(&mut State)| {
        let mut then = state.clone();
        act(&mut then);
        out.push((step, then));
    };
    let go = |s: &mut State, stage: Stage| s.driver_mut(life).stage = stage;
    match at.stage {
        Stage::Away if state.journal.call != Recorded::Outcome => {
            take(Step::Claims(life), &|s| claim_task(protocol, s));
        }
        Stage::Fencing => take(Step::Fences(life), &|s| fence(s)),
        Stage::Probing => {
            take(Step::Probes(life), &|s| go(s, if s.effects > 0 { Stage::Known } else { ASKING }))
        }
        Stage::Asking { append, begin } => {
            if append == Append::Unanswered {
                take(Step::Appends(life), &|s| append_intent(protocol, s, life));
            }
            if begin == Begun::Unanswered {
                take(Step::Begins(life), &|s| ask_redis(protocol, s, life));
            }
        }
        Stage::ProbingBefore => {
            take(Step::Probes(life), &|s| go(s, if s.effects > 0 { Stage::Known } else { Stage::Sent }));
        }
        Stage::Sent if life == Life::First && state.fenced => take(Step::IsStopped(life), &|s| end(s, life)),
        Stage::Sent => {
            take(Step::Runs(life), &|s| {
                s.effects += 1;
                go(s, Stage::Ran);
            });
            take(Step::IsRefused(life), &|s| go(s, Stage::Declining));
        }
        Stage::Ran => take(Step::Completes(life), &|s| {
            redis::complete(s, at.token);
            go(s, Stage::Known);
        }),
        Stage::Known => take(Step::RecordsOutcome(life), &|s| {
            if record(s, life, Recorded::Outcome) {
                index::settle(s, life.holder());
            }
            end(s, life);
        }),
        Stage::Declining => take(Step::RecordsThatNothingHappened(life), &|s| {
            if record(s, life, Recorded::Outcome) {
                index::give_back(s, life.holder());
                go(s, Stage::Releasing(Then::End));
            } else {
                end(s, life);
            }
        }),
        Stage::Releasing(then) => take(Step::Releases(life), &|s| {
            redis::release(protocol, s, at.token);
            let stage = if then == Then::Wait { Stage::Waiting } else { Stage::Ended };
            *s.driver_mut(life) = Driver { stage, token: 0 };
        }),
        Stage::Waiting if may_ask_again(protocol, state) => take(Step::AsksAgain(life), &|s| go(s, ASKING)),
        Stage::Away | Stage::Waiting | Stage::Ended => {}
    }
}

/// Another driver takes the task over: the epoch of its journal is raised, and it reads what stands there.
fn claim_task(protocol: &Protocol, state: &mut State) {
    state.journal.epoch = Life::Next.epoch();
    let stage = match (state.journal.call, protocol.closing) {
        (Recorded::Nothing, _) => ASKING,
        (Recorded::Intent, Closing::Fence) => Stage::Fencing,
        (Recorded::Intent, Closing::Epochs) => Stage::Probing,
        (Recorded::Outcome, _) => Stage::Ended,
    };
    state.driver_mut(Life::Next).stage = stage;
}

/// The first attempt's worker stops it, or hands its result over.
fn fence(state: &mut State) {
    let finished = matches!(state.driver(Life::First).stage, Stage::Ran | Stage::Known);
    state.fenced = true;
    state.driver_mut(Life::Next).stage = if finished { Stage::Known } else { Stage::Probing };
}

/// Writes what happened to the call into the task's journal, unless another driver has a higher epoch.
fn record(state: &mut State, life: Life, what: Recorded) -> bool {
    if life == Life::Other {
        return true;
    }
    let current = life.epoch() == state.journal.epoch;
    if current {
        state.journal.call = what;
    }
    current
}

fn append_intent(protocol: &Protocol, state: &mut State, life: Life) {
    if life != Life::Other && life.epoch() != state.journal.epoch {
        // Nothing is said to Redis: the new driver has a token of its own.
        return end(state, life);
    }
    let answer = index::claim(protocol, state, life.holder());
    if answer == Append::Ok {
        record(state, life, Recorded::Intent);
    }
    if let Stage::Asking { append, .. } = &mut state.driver_mut(life).stage {
        *append = answer;
    }
    weigh(state, life);
}

fn ask_redis(protocol: &Protocol, state: &mut State, life: Life) {
    let Stage::Asking { append, .. } = state.driver(life).stage else { return };
    let mut answer = redis::begin(protocol, state, life.holder(), life.epoch());
    // What nobody holds in Redis is no evidence against a claim in an index that knows everybody.
    let index_decides = protocol.index == Index::Claims && protocol.foreign == Foreign::InIndex;
    if answer == Answer::InDoubt && index_decides && append == Append::Ok {
        answer = redis::take(protocol, state, life.holder(), life.epoch(), Before::Nobody);
    }
    let (begun, token) = match answer {
        Answer::Acquired(token, Before::Nobody) => (Begun::Acquired, token),
        Answer::Acquired(token, Before::Others) => (Begun::AcquiredAfterOthers, token),
        Answer::Completed => (Begun::Completed, 0),
        Answer::InProgress | Answer::InDoubt => (Begun::Busy, 0),
    };
    *state.driver_mut(life) = Driver { stage: Stage::Asking { append, begin: begun }, token };
    weigh(state, life);
}

/// What follows when both have answered (PROTOCOL 13).
fn weigh(state: &mut State, life: Life) {
    let Stage::Asking { append, begin } = state.driver(life).stage else { return };
    let acquired = matches!(begin, Begun::Acquired | Begun::AcquiredAfterOthers);
    let stage = match (append, begin) {
        (Append::Unanswered, _) | (_, Begun::Unanswered) => return,
        (Append::Ok, Begun::Acquired) => Stage::Sent,
        (Append::Ok, Begun::AcquiredAfterOthers) => Stage::ProbingBefore,
        (Append::Ok, Begun::Completed) => Stage::Known,
        (Append::Ok, Begun::Busy) => return not_started(state, life),
        (Append::Claimed, _) if acquired => Stage::Releasing(Then::Wait),
        (Append::Answered, _) if acquired => Stage::Releasing(Then::End),
        (Append::Claimed, _) => Stage::Waiting,
        (Append::Answered, _) => Stage::Ended,
    };
    if append == Append::Answered {
        record(state, life, Recorded::Outcome);
    }
    state.driver_mut(life).stage = stage;
}

/// The intent is taken back: it was not acted on.
fn not_started(state: &mut State, life: Life) {
    if !record(state, life, Recorded::Nothing) {
        return end(state, life);
    }
    index::give_back(state, life.holder());
    state.driver_mut(life).stage = Stage::Waiting;
}

/// A waiter waits in Redis, and reads the index, where there is one that decides, when that wait ends.
fn may_ask_again(protocol: &Protocol, state: &State) -> bool {
    let may_in_redis = match state.redis.map(|entry| entry.state) {
        None | Some(EntryState::Completed) => true,
        Some(EntryState::Left) => protocol.index == Index::Claims || protocol.lease_end == LeaseEnd::Takeover,
        Some(EntryState::Held) => false,
    };
    let open = state.index.is_some_and(|row| row.state == RowState::Open);
    may_in_redis && !(protocol.index == Index::Claims && open)
}

fn end(state: &mut State, life: Life) {
    *state.driver_mut(life) = Driver { stage: Stage::Ended, token: 0 };
}

/// Whether the index has the call's result.
pub fn is_done(state: &State) -> bool {
    state.index.is_some_and(|row| row.state == RowState::Done)
}
