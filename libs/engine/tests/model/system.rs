//! Everybody together, and what may happen to them.

use crate::checker::Model;
use crate::protocol::{Happens, Index, Protocol, World};
use crate::state::{EntryState, Life, Recorded, State};
use crate::{driver, foreign};

/// One step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Claims(Life),
    Fences(Life),
    Probes(Life),
    Appends(Life),
    Begins(Life),
    /// The worker, or the tool, refuses it before any effect.
    IsRefused(Life),
    /// Its worker was told of a higher epoch.
    IsStopped(Life),
    Runs(Life),
    Completes(Life),
    RecordsOutcome(Life),
    RecordsThatNothingHappened(Life),
    Releases(Life),
    AsksAgain(Life),
    CallerBegins(usize),
    CallerIsRegistered(usize),
    CallerRuns(usize),
    CallerIsRefusedByTheTool(usize),
    CallerRecords(usize),
    CallerCompletes(usize),
    CallerGivesItsRowBack(usize),
    CallerReleases(usize),
    /// The lease in Redis runs out; its holder may be slow only.
    LeaseEnds,
    /// FLUSHALL, or a failover to a replica that knows nothing.
    RedisForgets,
    /// Redis is told what the index knows.
    RedisIsCorrected,
}

/// A design in a world.
pub struct System {
    pub protocol: Protocol,
    pub world: World,
}

impl Model for System {
    type State = State;
    type Step = Step;

    fn first(&self) -> State {
        State::first(&self.world)
    }

    fn steps(&self, state: &State) -> Vec<(Step, State)> {
        let mut out = Vec::new();
        for life in Life::ALL {
            driver::steps(&self.protocol, state, life, &mut out);
        }
        for n in 0..self.world.foreign {
            foreign::steps(&self.protocol, state, n, &mut out);
        }
        if let Some(entry) = state.redis {
            let mut happens = |step, redis| out.push((step, State { redis, ..state.clone() }));
            if self.world.leases_end == Happens::AnyTime && entry.state == EntryState::Held {
                let left = crate::state::Entry { state: EntryState::Left, ..entry };
                happens(Step::LeaseEnds, Some(left));
            }
            if self.world.flushall == Happens::AnyTime {
                happens(Step::RedisForgets, None);
            }
            if self.protocol.index == Index::Claims
                && driver::is_done(state)
                && entry.state != EntryState::Completed
            {
                let completed = crate::state::Entry { state: EntryState::Completed, ..entry };
                happens(Step::RedisIsCorrected, Some(completed));
            }
        }
        let tokens = self.protocol.tokens;
        out.into_iter().map(|(step, then)| (step, then.without_remains(tokens))).collect()
    }

    /// The promise: at most one effect.
    fn is_wrong(&self, state: &State) -> bool {
        state.effects > 1
    }

    fn is_end(&self, state: &State) -> bool {
        state.is_over()
    }

    fn is_success(&self, state: &State) -> bool {
        let told =
            self.world.task == crate::protocol::Task::Absent || state.journal.call == Recorded::Outcome;
        state.effects == 1 && state.is_over() && told
    }
}
