//! The rules, each with what a naive design does instead, and who takes part.

/// What a new driver does about the attempt of the one before (PROTOCOL 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It trusts epochs, and probes at once.
    Epochs,
    /// It fences the attempt's worker, and probes then.
    Fence,
}

/// What the journal's store knows of keys (PROTOCOL 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// Nothing: epochs, leases and Redis alone.
    Absent,
    /// An intent is recorded with its key; whoever comes later may read it.
    Records,
    /// An intent claims its key, and is refused where another holds it. Where Redis differs, the index is right.
    Claims,
}

/// Where the keys of callers without a task stand (PROTOCOL 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    RedisOnly,
    /// A row is written before they are told that they may run.
    InIndex,
}

/// What a lease in Redis leaves that ran out (PROTOCOL 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEnd {
    /// The next caller takes the key over, and is told of earlier attempts.
    Takeover,
    /// Doubt: only the same task under a higher epoch goes on.
    InDoubt,
}

/// What Redis does when an attempt is taken back (PROTOCOL 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The key is deleted, and with it the memory of attempts before.
    Forgets,
    /// One attempt is taken back; the ones before stand.
    KeepsHistory,
}

/// How tokens are numbered (PROTOCOL 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// From 1 again where Redis remembers nothing: a caller of before may have the same.
    Restart,
    /// None is given out twice.
    Grow,
}

/// A design.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    pub closing: Closing,
    pub index: Index,
    pub foreign: Foreign,
    pub lease_end: LeaseEnd,
    pub release: Release,
    pub tokens: Tokens,
}

/// Epochs, leases and a key store.
pub const NAIVE: Protocol = Protocol {
    closing: Closing::Epochs,
    index: Index::Absent,
    foreign: Foreign::RedisOnly,
    lease_end: LeaseEnd::Takeover,
    release: Release::Forgets,
    tokens: Tokens::Restart,
};

/// Holdfast's.
pub const FULL: Protocol = Protocol {
    closing: Closing::Fence,
    index: Index::Claims,
    foreign: Foreign::InIndex,
    lease_end: LeaseEnd::InDoubt,
    release: Release::KeepsHistory,
    tokens: Tokens::Grow,
};

/// Whether something that may go wrong does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happens {
    Never,
    /// At any moment, as often as it likes.
    AnyTime,
}

/// How many drivers a task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Absent,
    /// Nobody takes it over.
    OneLife,
    /// A second driver may take it over at any moment, while the first goes on.
    TwoLives,
}

/// Who takes part, and what may happen to them.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub task: Task,
    /// Another task, with the same key.
    pub second: Task,
    /// Callers without a task, with the same key: at most three.
    pub foreign: usize,
    /// Leases of living holders run out in Redis.
    pub leases_end: Happens,
    /// Redis forgets everything.
    pub flushall: Happens,
}
