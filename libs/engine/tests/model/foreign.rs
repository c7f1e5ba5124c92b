//! The steps of a caller without a task: it runs the effect itself, and obeys `earlier_attempts`: told that others
//! began before it, it does not run.

use crate::protocol::{Foreign, Protocol};
use crate::redis::{self, Answer};
use crate::state::{Append, Before, CallerStage, Holder, State};
use crate::{index, system::Step};

/// Every step that the caller can take now.
pub fn steps(protocol: &Protocol, state: &State, n: usize, out: &mut Vec<(Step, State)>) {
    let at = state.callers[n];
    let mut take = |step: Step, act: &dyn Fn(&mut State)| {
        let mut then = state.clone();
        act(&mut then);
        out.push((step, then));
    };
    let me = Holder::Foreign(n);
    let indexed = protocol.foreign == Foreign::InIndex;
    match at.stage {
        // Callers are alike, so they may be numbered in the order in which they come.
        CallerStage::Idle if n > 0 && state.callers[n - 1].stage == CallerStage::Idle => {}
        CallerStage::Idle => take(Step::CallerBegins(n), &|s| began(protocol, s, n)),
        CallerStage::Registering(before) => take(Step::CallerIsRegistered(n), &|s| {
            let stage = match (index::claim(protocol, s, me), before) {
                (Append::Ok, Before::Nobody) => CallerStage::Allowed,
                (Append::Ok, Before::Others) => CallerStage::Declining,
                _ => CallerStage::Releasing,
            };
            s.callers[n].stage = stage;
        }),
        CallerStage::Allowed => {
            take(Step::CallerRuns(n), &|s| {
                s.effects += 1;
                s.callers[n].stage = CallerStage::Ran;
            });
            take(Step::CallerIsRefusedByTheTool(n), &|s| s.callers[n].stage = CallerStage::Declining);
        }
        CallerStage::Ran if indexed => take(Step::CallerRecords(n), &|s| {
            index::settle(s, me);
            s.callers[n].stage = CallerStage::Recorded;
        }),
        CallerStage::Ran | CallerStage::Recorded => take(Step::CallerCompletes(n), &|s| {
            redis::complete(s, at.token);
            end(s, n);
        }),
        CallerStage::Declining if indexed => take(Step::CallerGivesItsRowBack(n), &|s| {
            index::give_back(s, me);
            s.callers[n].stage = CallerStage::Releasing;
        }),
        CallerStage::Declining | CallerStage::Releasing => take(Step::CallerReleases(n), &|s| {
            redis::release(protocol, s, at.token);
            end(s, n);
        }),
        CallerStage::Ended => {}
    }
}

fn began(protocol: &Protocol, state: &mut State, n: usize) {
    match redis::begin(protocol, state, Holder::Foreign(n), 0) {
        Answer::Acquired(token, before) => {
            let stage = match (protocol.foreign, before) {
                (Foreign::InIndex, before) => CallerStage::Registering(before),
                (Foreign::RedisOnly, Before::Nobody) => CallerStage::Allowed,
                (Foreign::RedisOnly, Before::Others) => CallerStage::Declining,
            };
            state.callers[n] = crate::state::Caller { stage, token };
        }
        // It may ask again.
        Answer::InProgress => {}
        Answer::Completed | Answer::InDoubt => end(state, n),
    }
}

fn end(state: &mut State, n: usize) {
    state.callers[n] = crate::state::Caller { stage: CallerStage::Ended, token: 0 };
}
