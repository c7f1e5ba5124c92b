//! The key table as callers other than a task's append see it (PROTOCOL 3 to 5, 12, 13).

use std::time::Duration;

use async_trait::async_trait;
use holdfast_types::key::{Holder, Key, KeyRow};
use holdfast_types::{Failure, Payload, Timestamp};

use crate::Result;

/// Which losses an answer survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It stands in the journal's store.
    Index,
    /// It stands in Redis alone.
    RedisOnly,
}

/// What to do with a key in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// Say so, and leave it.
    Report,
    /// Hand out a token to probe with.
    Verify,
}

/// An operation is meant again although it has ended (PROTOCOL 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The generation that is repeated: two repeats of one make one new operation.
    pub generation: u32,
    /// Why, for the record.
    pub reason: String,
}

/// A request to begin an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Begin {
    /// The key.
    pub key: Key,
    /// SHA-256 over all canonical arguments, in hexadecimal.
    pub fingerprint: String,
    /// Who asks.
    pub holder: Holder,
    /// The holder's epoch; 0 for foreign holders.
    pub epoch: u64,
    /// How long the holder may be silent.
    pub lease: Duration,
    /// What to do with a key in doubt.
    pub resolve: Resolve,
    /// Run it again although it has ended; none: an operation that has ended is answered with its result. Of foreign
    /// holders only: a task's generation is raised by its appends.
    pub repeat: Option<Repeat>,
}

/// The answer to [`Begin`].
#[derive(Debug, Clone, PartialEq)]
pub enum BeginAnswer {
    /// Run it.
    Acquired {
        /// The fencing token.
        token: u64,
        /// The same call under a higher epoch goes on.
        takeover: bool,
        /// How many attempts were begun before.
        earlier_attempts: u32,
    },
    /// Another holder runs it.
    InProgress {
        /// Who.
        holder: Holder,
        /// Until when its lease runs, if it has one.
        until: Option<Timestamp>,
    },
    /// It ran, with this result.
    Completed {
        /// The result.
        result: Payload,
        /// When it was completed.
        at: Timestamp,
    },
    /// It failed for good.
    FailedFinal {
        /// The failure.
        failure: Failure,
    },
    /// It was begun and nobody knows how it ended.
    InDoubt {
        /// Who began it first.
        holder: Holder,
        /// When.
        since: Timestamp,
        /// How many attempts were begun.
        attempts: u32,
        /// A token to probe with, where the caller asked to verify.
        token: Option<u64>,
    },
    /// It was undone.
    Tombstone,
    /// The key came with other arguments; the stored result is not disclosed.
    Mismatch {
        /// The first fingerprint.
        first: String,
    },
}

/// The answer to the verbs that need a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAnswer {
    /// Done.
    Ok,
    /// The token is not the current one; a result that was offered is kept as evidence.
    Fenced {
        /// The current token.
        current: u64,
    },
    /// There is no such key.
    NotFound,
}

/// The key table. Every verb is one transaction.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Which losses this table survives.
    fn durability(&self) -> Durability;

    /// Asks for the right to run an operation. A repeat opens the next generation where the one that it names is the
    /// last and has ended; where that next one is open already it is an ordinary request for it.
    ///
    /// # Errors
    /// `Stale` where a repeat names a generation that is not the last one, or has not ended.
    async fn begin(&self, begin: Begin) -> Result<BeginAnswer>;

    /// Prolongs a lease.
    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer>;

    /// Records a result, and keeps it for `retention`.
    async fn complete(
        &self,
        key: &Key,
        token: u64,
        result: Payload,
        retention: Duration,
    ) -> Result<KeyAnswer>;

    /// Takes one attempt back that provably did not execute. While an earlier one is unsettled the key goes back
    /// to doubt, never to free.
    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer>;

    /// Records a failure for good, and keeps it for `retention`.
    async fn fail_final(
        &self,
        key: &Key,
        token: u64,
        failure: Failure,
        retention: Duration,
    ) -> Result<KeyAnswer>;

    /// Keeps a worker's result as evidence on a key that a task's call holds (PROTOCOL 12): it never settles the
    /// call, its driver does.
    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer>;

    /// Reads a key's current row and the evidence kept on it.
    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<holdfast_types::key::LateEvidence>)>>;

    /// Waits until the key's row is settled, gone, or `wait` is over, and returns it.
    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>>;

    /// Lists rows by prefix, in the order of keys, after `after`.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>>;

    /// Removes a key: an operator's act.
    ///
    /// # Errors
    /// `Stale` while the key is open for a call of a task: its driver settles it.
    async fn forget(&self, key: &Key) -> Result<KeyAnswer>;

    /// Removes rows whose retention has passed, those of last good results too; of each at most `limit`. Returns how
    /// many.
    async fn prune(&self, limit: u32) -> Result<u32>;
}
