//! All that is known anywhere at one moment.

use crate::protocol::{Task, Tokens, World};

/// Who asks for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The first task, whichever driver it has.
    First,
    /// The second task.
    Second,
    /// A caller without a task.
    Foreign(usize),
}

/// One driver's time with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// The first task's first driver, epoch 1.
    First,
    /// The first task's second driver, epoch 2.
    Next,
    /// The second task's only driver.
    Other,
}

impl Life {
    pub const ALL: [Self; 3] = [Self::First, Self::Next, Self::Other];

    pub const fn holder(self) -> Holder {
        match self {
            Self::First | Self::Next => Holder::First,
            Self::Other => Holder::Second,
        }
    }

    pub const fn epoch(self) -> u8 {
        match self {
            Self::First | Self::Other => 1,
            Self::Next => 2,
        }
    }
}

/// A fencing number; 0 is none, or one that is not the current one and never will be.
pub type Token = u8;

const CURRENT: Token = 1;

/// A key in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    pub holder: Holder,
    /// Who began the first attempt.
    pub first: Holder,
    pub epoch: u8,
    pub token: Token,
    /// How many attempts were begun of which nobody has said that they did not execute.
    pub attempts: u8,
    pub state: EntryState,
}

impl Entry {
    const ANY: Self = Self {
        holder: Holder::First,
        first: Holder::First,
        epoch: 0,
        token: 0,
        attempts: 0,
        state: EntryState::Left,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// Its holder's lease runs.
    Held,
    /// Begun, and nobody holds it now.
    Left,
    Completed,
}

/// A key in the journal's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub holder: Holder,
    pub state: RowState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    Open,
    Done,
}

/// What the first task's journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Journal {
    /// Of the driver that may append.
    pub epoch: u8,
    pub call: Recorded,
}

/// What a journal says of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recorded {
    Nothing,
    /// An intent without an outcome.
    Intent,
    Outcome,
}

/// Where a driver is with its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It has not claimed the task.
    Away,
    /// It has found an intent of the driver before, and asks that attempt's worker.
    Fencing,
    /// It asks the tool whether the call happened.
    Probing,
    /// Append and Begin are under way beside each other.
    Asking {
        append: Append,
        begin: Begun,
    },
    /// Key and intent are its own; but others began before it, so the tool is asked first.
    ProbingBefore,
    /// Both allow the call: it is on its way to the worker, or the worker has it and has not begun its effect.
    Sent,
    /// The effect has happened, and only the worker knows.
    Ran,
    /// The outcome is known to the driver, and not in its journal.
    Known,
    /// The attempt provably did not execute, and this is not in the journal yet.
    Declining,
    /// Redis is still to be told that an attempt did not execute.
    Releasing(Then),
    /// It waits for another's result.
    Waiting,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Append {
    Unanswered,
    Ok,
    /// Another holds the key.
    Claimed,
    /// The key's result is recorded.
    Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Begun {
    Unanswered,
    Acquired,
    /// Others began before, and may be slow only.
    AcquiredAfterOthers,
    Completed,
    /// In progress, or in doubt, for another.
    Busy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    Wait,
    End,
}

/// A driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Driver {
    pub stage: Stage,
    pub token: Token,
}

/// A caller without a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    pub stage: CallerStage,
    pub token: Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerStage {
    Idle,
    /// Redis has allowed it; its row is still to be written before it is told.
    Registering(Before),
    /// It may run.
    Allowed,
    Ran,
    /// The index knows the result, Redis does not.
    Recorded,
    /// It did not run, and takes its attempt back.
    Declining,
    /// Only Redis is still to be told.
    Releasing,
    Ended,
}

/// Whether others began before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Before {
    Nobody,
    Others,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// How often the effect happened.
    pub effects: u8,
    pub redis: Option<Entry>,
    pub index: Option<Row>,
    pub journal: Journal,
    /// Whether the first attempt's worker refuses it.
    pub fenced: bool,
    pub drivers: [Driver; 3],
    pub callers: [Caller; 3],
}

impl State {
    pub fn first(world: &World) -> Self {
        let asking = Stage::Asking { append: Append::Unanswered, begin: Begun::Unanswered };
        let begins = |task| if task == Task::Absent { Stage::Ended } else { asking };
        let next = if world.task == Task::TwoLives { Stage::Away } else { Stage::Ended };
        let drivers = [begins(world.task), next, begins(world.second)];
        let caller = |n| if n < world.foreign { CallerStage::Idle } else { CallerStage::Ended };
        Self {
            effects: 0,
            redis: None,
            index: None,
            journal: Journal { epoch: 1, call: Recorded::Nothing },
            fenced: false,
            drivers: drivers.map(|stage| Driver { stage, token: 0 }),
            callers: [0, 1, 2].map(|n| Caller { stage: caller(n), token: 0 }),
        }
    }

    pub fn driver(&self, life: Life) -> Driver {
        self.drivers[life as usize]
    }

    pub fn driver_mut(&mut self, life: Life) -> &mut Driver {
        &mut self.drivers[life as usize]
    }

    /// Everybody who took part has ended; a driver that never came need not come.
    pub fn is_over(&self) -> bool {
        let away = self.journal.call == Recorded::Outcome;
        self.drivers
            .iter()
            .all(|driver| driver.stage == Stage::Ended || (away && driver.stage == Stage::Away))
            && self.callers.iter().all(|caller| caller.stage == CallerStage::Ended)
    }

    /// The state without what can make no difference any more: states that differ in nothing else are one.
    pub fn without_remains(mut self, tokens: Tokens) -> Self {
        if let Some(entry) = self.redis.as_mut().filter(|entry| entry.state == EntryState::Completed) {
            *entry = Entry { state: EntryState::Completed, ..Entry::ANY };
        }
        if let Some(row) = self.index.as_mut().filter(|row| row.state == RowState::Done) {
            row.holder = Holder::First;
        }
        if self.driver(Life::First).stage == Stage::Ended {
            self.fenced = false;
        }
        if tokens == Tokens::Grow {
            self.name_tokens();
        }
        self
    }

    /// Where no token is given out twice, all that matters of one is whether it is the current one.
    fn name_tokens(&mut self) {
        let current = self.redis.map_or(0, |entry| entry.token);
        let named = |token| if token != 0 && token == current { CURRENT } else { 0 };
        self.drivers.iter_mut().for_each(|driver| driver.token = named(driver.token));
        self.callers.iter_mut().for_each(|caller| caller.token = named(caller.token));
        if let Some(entry) = &mut self.redis {
            entry.token = named(entry.token);
        }
    }

    /// A token that nobody has: it stands for one that was never given out, since only whether two are equal
    /// matters.
    pub fn unused_token(&self) -> Token {
        CURRENT + 1
    }
}
