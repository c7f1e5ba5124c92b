//! Which appends of a batch succeed, each alone (PROTOCOL 3, 9, 19, 20).
//!
//! The backend reads what the batch is about into a [`World`], applies the appends in their order, and writes what
//! the world has become. An append that is refused leaves no trace in it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use holdfast_types::journal::{Append, Hold, Progress, Refusal};
use holdfast_types::key::KeyOp;
use holdfast_types::{
    AppendId, Key, MessageId, TaskId, TaskOutcome, TaskStatus, Timestamp, task::WaitReason,
};

use super::keys::{Changed, Entry, Evidence, blob_of, change};
use super::life::{Life, wake_at};

/// The part of a task's row that appends read and write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Who holds it, and how it fared.
    pub(crate) life: Life,
    /// The last event's sequence number.
    pub(crate) last_seq: u64,
    /// The last append's id.
    pub(crate) last_append: Option<AppendId>,
    /// Where it is.
    pub(crate) status: TaskStatus,
    /// How it ended.
    pub(crate) outcome: Option<TaskOutcome>,
    /// What it waits for.
    pub(crate) waits_for: Option<WaitReason>,
    /// When it wants to be driven next.
    pub(crate) wake_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
}

/// What a batch is about, as it stands before and after each append.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// The tasks that exist.
    pub(crate) tasks: HashMap<TaskId, Head>,
    /// The keys that have rows.
    pub(crate) keys: HashMap<Key, Entry>,
    /// The blobs that are stored, by SHA-256 in hexadecimal.
    pub(crate) blobs: HashSet<String>,
    /// Messages that wait, of the tasks that are given back.
    pub(crate) inboxes: HashMap<TaskId, HashSet<MessageId>>,
    /// The keys that have changed.
    pub(crate) changed_keys: HashSet<Key>,
    /// Evidence to keep.
    pub(crate) evidence: Vec<Evidence>,
}

/// What became of one append.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Its events are to be written after this sequence number.
    Written {
        /// The last sequence number before it.
        after: u64,
        /// The tokens of its claims.
        tokens: Vec<u64>,
    },
    /// It stands there already.
    Repeated {
        /// The task's last sequence number.
        last_seq: u64,
        /// The tokens of its claims.
        tokens: Vec<u64>,
    },
    /// Nothing of it is written.
    Refused(Refusal),
}

/// Applies one append to the world, whole or not at all.
pub(crate) fn apply(world: &mut World, append: &Append, retention: Duration, now: Timestamp) -> Verdict {
    let Some(head) = world.tasks.get(&append.task) else {
        return Verdict::Refused(Refusal::NoSuchTask);
    };
    let grown = append.expected_seq.saturating_add(append.events.len() as u64);
    if head.last_append == Some(append.id) && head.last_seq == grown {
        return Verdict::Repeated { last_seq: head.last_seq, tokens: stored_tokens(world, append) };
    }
    match admit(world, head, append).and_then(|()| change_keys(world, append, retention, now)) {
        Err(refusal) => Verdict::Refused(refusal),
        Ok(changes) => {
            for entry in changes.entries {
                world.changed_keys.insert(entry.row.key.clone());
                world.keys.insert(entry.row.key.clone(), entry);
            }
            world.evidence.extend(changes.evidence);
            write_head(world, append, grown, now);
            Verdict::Written { after: append.expected_seq, tokens: changes.tokens }
        }
    }
}

fn admit(world: &World, head: &Head, append: &Append) -> Result<(), Refusal> {
    let holds = head.life.hold.is_some_and(|(_, owner)| owner == append.owner);
    if head.life.epoch != append.epoch || !holds {
        return Err(Refusal::StaleEpoch { epoch: head.life.epoch });
    }
    if head.last_seq != append.expected_seq {
        return Err(Refusal::SeqMismatch { last_seq: head.last_seq });
    }
    match blobs(append).find(|sha256| !world.blobs.contains(*sha256)) {
        Some(sha256) => Err(Refusal::BlobMissing { sha256: sha256.to_owned() }),
        None => Ok(()),
    }
}

/// Every blob that an append makes its task, or a key, refer to.
pub(crate) fn blobs(append: &Append) -> impl Iterator<Item = &str> {
    let events = append.events.iter().flat_map(|event| event.blobs.iter().map(String::as_str));
    let last_good = append.last_good.iter().filter_map(|good| good.result.as_blob());
    events
        .chain(append.keys.iter().filter_map(|change| blob_of(&change.op)))
        .chain(last_good.map(|blob| blob.sha256.as_str()))
}

/// The tokens of claims that an append made when it was written: nobody else has moved its rows since.
fn stored_tokens(world: &World, append: &Append) -> Vec<u64> {
    let claimed = append.keys.iter().filter(|change| matches!(change.op, KeyOp::Claim { .. }));
    claimed.map(|change| world.keys.get(&change.key).map_or(0, |entry| entry.row.token)).collect()
}

struct Changes {
    entries: Vec<Entry>,
    evidence: Vec<Evidence>,
    tokens: Vec<u64>,
}

fn change_keys(
    world: &World,
    append: &Append,
    retention: Duration,
    now: Timestamp,
) -> Result<Changes, Refusal> {
    let mut changes = Changes { entries: Vec::new(), evidence: Vec::new(), tokens: Vec::new() };
    for asked in &append.keys {
        // A later change of the same append sees what an earlier one has left.
        let own = changes.entries.iter().rev().find(|entry| entry.row.key == asked.key);
        let entry = own.or_else(|| world.keys.get(&asked.key)).cloned();
        match change(entry, (append.task, append.epoch), asked, retention, now) {
            Changed::Kept(evidence) => changes.evidence.extend(evidence),
            Changed::Put(entry) => {
                if matches!(asked.op, KeyOp::Claim { .. }) {
                    changes.tokens.push(entry.row.token);
                }
                changes.entries.push(*entry);
            }
            Changed::Refused(row) => return Err(Refusal::KeyHeld(row)),
        }
    }
    Ok(changes)
}

fn write_head(world: &mut World, append: &Append, last_seq: u64, now: Timestamp) {
    let inbox = world.inboxes.entry(append.task).or_default();
    for id in &append.handled {
        inbox.remove(id);
    }
    let messages_wait = !inbox.is_empty();
    let Some(head) = world.tasks.get_mut(&append.task) else { return };
    head.last_seq = last_seq;
    head.last_append = Some(append.id);
    head.status = append.row.status;
    head.outcome = append.row.outcome;
    head.waits_for = append.row.waits_for;
    head.wake_at = append.row.wake_at;
    head.finished_at = match append.row.status {
        TaskStatus::Finished => head.finished_at.or(Some(now)),
        _ => None,
    };
    if append.progress == Progress::Outcome {
        head.life.bear();
    }
    if append.hold == Hold::GiveBack {
        head.life.give_back();
        head.wake_at = wake_at(append.row.status, append.row.wake_at, messages_wait, now);
    }
}
