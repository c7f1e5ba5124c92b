//! What to do next. Called until it emits no more events; whatever is already under way is not asked for again.

mod calls;
mod compensate;
mod finish;
mod hedge;
mod steps;
mod time;

use crate::{Action, Env, Event, Task};

/// What was decided in one pass.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) events: Vec<Event>,
    pub(crate) actions: Vec<Action>,
}

impl Task {
    /// One pass. Events that change the picture end it: the next pass sees their effect.
    pub(crate) fn decide(&mut self, env: &mut Env<'_>) -> Decided {
        let mut decided = Decided::default();
        let passes: [fn(&mut Self, &mut Env<'_>, &mut Decided); 5] =
            [Self::decide_time, Self::decide_steps, Self::decide_undos, Self::decide_calls, Self::decide_end];
        for pass in passes {
            pass(self, env, &mut decided);
            if !decided.events.is_empty() {
                break;
            }
        }
        let losers = std::mem::take(&mut self.doing.losers);
        decided.actions.extend(losers.into_iter().map(|(call, attempt, worker)| Action::LetGo {
            call,
            attempt,
            worker,
        }));
        let acks = std::mem::take(&mut self.doing.ack);
        decided.actions.extend(acks.into_iter().map(|(call, attempt, worker)| Action::Ack {
            call,
            attempt,
            worker,
        }));
        decided
    }

    /// Says whether nothing is under way in this process: only time or a message can go on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.doing.calls.is_empty()
            && self.doing.attempts.is_empty()
            && self.doing.entering.is_empty()
            && !self.doing.output
    }
}
