//! Rows of the journal, and the requests that write them. The traits are in `holdfast-ports`.

use std::collections::BTreeMap;

use crate::key::{Key, KeyChange, KeyOp, KeyRow};
use crate::last_good::NewLastGood;
use crate::task::WaitReason;
use crate::{
    AppendId, CallId, InstanceId, MessageId, Namespace, OwnerId, Priority, TaskId, TaskOutcome, TaskStatus,
    Timestamp,
};

/// An event on its way into the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When it happened, on the writer's clock.
    pub at: Timestamp,
    /// Its kind, as text.
    pub kind: String,
    /// The version of the kind's body.
    pub v: u16,
    /// Its body: JSON text.
    pub body: String,
    /// SHA-256 (hexadecimal) of every blob that the body refers to; each must be stored (PROTOCOL 20).
    pub blobs: Vec<String>,
}

/// An event in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its place in its task, from 1 without gaps.
    pub seq: u64,
    /// The epoch under which it was written.
    pub epoch: u64,
    /// When it happened, on the writer's clock.
    pub at: Timestamp,
    /// Its kind, as text.
    pub kind: String,
    /// The version of the kind's body.
    pub v: u16,
    /// Its body: JSON text.
    pub body: String,
}

/// What an append, a creation or a release leaves in the task's row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowUpdate {
    /// Where the task is now.
    pub status: TaskStatus,
    /// How it ended, with `FINISHED`.
    pub outcome: Option<TaskOutcome>,
    /// What it waits for, with `WAITING`.
    pub waits_for: Option<WaitReason>,
    /// When it wants to be driven next, if nobody drives it then.
    pub wake_at: Option<Timestamp>,
}

closed_list! {
    /// Whether an append holds a new outcome: only that ends a row of barren lives (PROTOCOL 18).
    pub enum Progress {
        /// A call's outcome, a model's answer, or a handled message.
        Outcome = "OUTCOME",
        /// Intents, claims and notes only.
        None = "NONE",
    }
}

closed_list! {
    /// What becomes of the claim with an append.
    pub enum Hold {
        /// The driver goes on.
        Keep = "KEEP",
        /// The driver gives the task back in the same transaction.
        GiveBack = "GIVE_BACK",
    }
}

/// One append: all of it in one transaction, or nothing (DESIGN section 4, PROTOCOL 3, 9, 10, 19, 20).
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Random; the same id at the expected place is success, not staleness.
    pub id: AppendId,
    /// The task.
    pub task: TaskId,
    /// The writer's epoch.
    pub epoch: u64,
    /// The writer's owner id, compared beside the epoch.
    pub owner: OwnerId,
    /// The last sequence number that the writer knows; the first event gets the next one.
    pub expected_seq: u64,
    /// The events. May be empty where only the row, keys or messages change.
    pub events: Vec<NewEvent>,
    /// Changes of the key table; one refused claim refuses this append, never its neighbours.
    pub keys: Vec<KeyChange>,
    /// Results that later fallbacks may stand in with; empty for plans that have no such fallback.
    pub last_good: Vec<NewLastGood>,
    /// Messages of the inbox that the events handle; deleted with it.
    pub handled: Vec<MessageId>,
    /// The row.
    pub row: RowUpdate,
    /// Whether it holds a new outcome.
    pub progress: Progress,
    /// Whether the driver goes on.
    pub hold: Hold,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq)]
pub enum Appended {
    /// It is durable.
    Ok {
        /// The task's last sequence number.
        last_seq: u64,
        /// The fencing tokens of the keys that it claims, in the order of its claims (PROTOCOL 5): each is higher than
        /// that of any claim of its key before.
        tokens: Vec<u64>,
    },
    /// Nothing of it was written.
    Refused(Refusal),
}

impl Appended {
    /// The answer to an append that claims nothing.
    #[must_use]
    pub const fn at(last_seq: u64) -> Self {
        Self::Ok { last_seq, tokens: Vec::new() }
    }
}

impl Append {
    /// The calls for which it claims keys, in the order of its claims.
    pub fn claimants(&self) -> impl Iterator<Item = &CallId> {
        self.keys.iter().filter(|change| matches!(change.op, KeyOp::Claim { .. })).map(|change| &change.call)
    }
}

/// Why an append was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Another driver has claimed the task, or nobody holds it any more.
    #[error("stale: the task is at epoch {epoch}")]
    StaleEpoch {
        /// The task's epoch.
        epoch: u64,
    },
    /// The epoch is right, the place is not: the writer reads again.
    #[error("sequence mismatch: the task's last event is {last_seq}")]
    SeqMismatch {
        /// The task's last sequence number.
        last_seq: u64,
    },
    /// A claim met a row of another call, or a settled one; or a tombstone met a row from which other tasks were
    /// answered (PROTOCOL 7). The row is the answer (PROTOCOL 3).
    #[error("the key is held by {}", .0.holder)]
    KeyHeld(Box<KeyRow>),
    /// A blob that an event refers to is not stored: put it again (PROTOCOL 20).
    #[error("blob {sha256} is missing")]
    BlobMissing {
        /// Which.
        sha256: String,
    },
    /// There is no such task.
    #[error("no such task")]
    NoSuchTask,
}

/// Who claims a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant {
    /// The instance, which has a session.
    pub instance: InstanceId,
    /// The owner id for this claim.
    pub owner: OwnerId,
}

/// A task that is to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// The id, chosen by the caller or made by the orchestrator.
    pub id: TaskId,
    /// The namespace.
    pub namespace: Namespace,
    /// The plan's name.
    pub name: String,
    /// Labels, for lists.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the request's body, in hexadecimal.
    pub digest: String,
    /// The first events.
    pub events: Vec<NewEvent>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Who drives it from now on; none: it is queued.
    pub claimant: Option<Claimant>,
    /// How many unfinished tasks its namespace may have, this one included.
    pub queue_limit: u64,
    /// How soon it is claimed, among the tasks of its namespace.
    pub priority: Priority,
}

/// A task that begins with a part of another (PROTOCOL 7, 20).
#[derive(Debug, Clone, PartialEq)]
pub struct Fork {
    /// The new task. Its events hold what it takes over, with the blobs that these refer to.
    pub task: NewTask,
    /// The task of which it is a fork.
    pub source: TaskId,
    /// What it relies on: each must still stand when it is created.
    pub relies_on: Vec<Reliance>,
}

/// An operation whose result another task takes over: its undo is asked about from now on (PROTOCOL 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reliance {
    /// The call that takes the result over.
    pub call: CallId,
    /// The key of the operation.
    pub key: Key,
    /// The generation that has the result.
    pub generation: u32,
}

/// What became of a creation.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is durable; the epoch is 1 where a claimant was named, else 0.
    New {
        /// The epoch.
        epoch: u64,
        /// The last sequence number.
        last_seq: u64,
    },
    /// The same id with the same body is there: the same task.
    Same(Box<crate::task::TaskRow>),
    /// The same id with another body is there.
    Conflict,
    /// The namespace has as many unfinished tasks as it may.
    QueueFull {
        /// The limit.
        limit: u64,
    },
}

/// A task that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The task.
    pub task: TaskId,
    /// The new epoch.
    pub epoch: u64,
    /// The owner id that the claim wrote.
    pub owner: OwnerId,
    /// The last sequence number.
    pub last_seq: u64,
    /// How the last life ended.
    pub previous: PreviousLife,
    /// How many lives in a row ended without a release and without a new outcome, the last one included.
    pub barren_lives: u32,
}

closed_list! {
    /// How a task's last life ended.
    pub enum PreviousLife {
        /// There was none.
        None = "NONE",
        /// Its driver gave it back.
        Released = "RELEASED",
        /// Its driver's session or lease ended: a crash, as far as anybody knows.
        Lost = "LOST",
    }
}

/// A snapshot of the fold, so that a resume reads few events.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// It holds all events up to and including this one.
    pub seq: u64,
    /// The version of its body.
    pub v: u16,
    /// The fold, as JSON text.
    pub body: String,
}

/// What a task is made of: the newest snapshot, and the events after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The newest snapshot, if there is one.
    pub snapshot: Option<Snapshot>,
    /// The events after it, in order.
    pub events: Vec<EventRow>,
}

/// Which tasks a list shows; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskFilter {
    /// In this namespace.
    pub namespace: Option<Namespace>,
    /// In one of these states; empty: all.
    pub statuses: Vec<TaskStatus>,
    /// With one of these outcomes; empty: all.
    pub outcomes: Vec<TaskOutcome>,
    /// With all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Submitted at or after.
    pub from: Option<Timestamp>,
    /// Submitted before.
    pub until: Option<Timestamp>,
}
