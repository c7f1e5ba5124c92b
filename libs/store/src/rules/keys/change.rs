//! What an append does with a key: the claim is exclusive, and only its own task settles it.

use std::time::Duration;

use holdfast_ports::Error;
use holdfast_types::key::{Holder, KeyChange, KeyOp, KeyRow, KeyState};
use holdfast_types::{CallId, Payload, TaskId, Timestamp};

use super::{Entry, Evidence, Taking, evidence, same_operation, taken};

/// What became of one change.
#[derive(Debug)]
pub(crate) enum Changed {
    /// The key stays as it is; a result that came too late for it is kept as evidence.
    Kept(Option<Evidence>),
    /// The key's new row.
    Put(Box<Entry>),
    /// A claim met this row, or a tombstone one from which other tasks were answered.
    Refused(Box<KeyRow>),
}

/// Applies one change in the name of a task's driver. Only what an intent brings can be
/// refused: an outcome that can't move the
/// row any more must not keep its journal from recording it.
pub(crate) fn change(
    entry: Option<Entry>,
    by: (TaskId, u64),
    change: &KeyChange,
    retention: Duration,
    now: Timestamp,
) -> Changed {
    let entry = entry.map(|entry| entry.seen(now));
    let holder = Holder::Call { task: by.0, call: change.call.clone() };
    let taking = Taking {
        key: &change.key,
        generation: change.generation,
        holder: &holder,
        epoch: by.1,
        fingerprint: "",
        lease_until: None,
    };
    match &change.op {
        KeyOp::Claim { fingerprint } => claim(entry, &Taking { fingerprint, ..taking }, now),
        KeyOp::GiveBack => give_back(entry, by.0, change, now),
        KeyOp::Done { result } => {
            settle(entry, &taking, change, KeyState::Done { result: result.clone() }, retention, now)
        }
        KeyOp::FailedFinal { failure } => {
            settle(entry, &taking, change, KeyState::FailedFinal { failure: failure.clone() }, retention, now)
        }
        KeyOp::InDoubt => settle(entry, &taking, change, KeyState::InDoubt, retention, now),
        KeyOp::Tombstone => match entry {
            // Others rely on it: it is undone only when a person says so (PROTOCOL 7).
            Some(entry) if is_shared(&entry, by.0, change) => Changed::Refused(Box::new(entry.row)),
            entry => settle(entry, &taking, change, KeyState::Tombstone, retention, now),
        },
        KeyOp::TombstoneShared => settle(entry, &taking, change, KeyState::Tombstone, retention, now),
        KeyOp::NextGeneration => next_generation(entry, &taking, change, retention, now),
        KeyOp::Answered { .. } => answered(entry, by.0, now),
    }
}

fn claim(entry: Option<Entry>, taking: &Taking<'_>, now: Timestamp) -> Changed {
    let Some(mut entry) = entry else {
        return Changed::Put(Box::new(taken(None, taking, now)));
    };
    if entry.is_blank() || (entry.row.is_free() && entry.row.generation == taking.generation) {
        return Changed::Put(Box::new(taken(Some(&entry), taking, now)));
    }
    let row = &entry.row;
    let own = row.holder == *taking.holder && row.generation == taking.generation && !row.is_free();
    if !own || !entry.is_unsettled() || row.fingerprint != taking.fingerprint {
        return Changed::Refused(Box::new(entry.row));
    }
    entry.row.token = entry.next_token(now);
    entry.row.epoch = entry.row.epoch.max(taking.epoch);
    entry.row.attempts = entry.row.attempts.saturating_add(1);
    entry.row.state = KeyState::Open;
    entry.row.changed_at = now;
    Changed::Put(Box::new(entry))
}

/// Whether the row stands in the name of this task's operation, in the generation that is meant.
fn is_own(entry: &Entry, task: TaskId, change: &KeyChange) -> bool {
    let Holder::Call { task: holder, call } = &entry.row.holder else { return false };
    *holder == task
        && same_operation(call, &change.call)
        && entry.row.generation == change.generation
        && !entry.row.is_free()
}

fn is_shared(entry: &Entry, task: TaskId, change: &KeyChange) -> bool {
    entry.row.answered > 0 && entry.row.state != KeyState::Tombstone && is_own(entry, task, change)
}

fn give_back(entry: Option<Entry>, task: TaskId, change: &KeyChange, now: Timestamp) -> Changed {
    match entry {
        Some(mut entry) if is_own(&entry, task, change) && entry.is_unsettled() => {
            let generation = entry.row.generation;
            entry.set_free(generation, now, super::TOKEN_MEMORY);
            Changed::Put(Box::new(entry))
        }
        _ => Changed::Kept(None),
    }
}

fn settle(
    entry: Option<Entry>,
    taking: &Taking<'_>,
    change: &KeyChange,
    state: KeyState,
    retention: Duration,
    now: Timestamp,
) -> Changed {
    let Holder::Call { task, .. } = taking.holder else { return Changed::Kept(None) };
    let mut entry = match entry {
        // A row that the store has lost is put back by whoever knows how the call ended.
        None => taken(None, taking, now),
        Some(entry) if entry.is_blank() => taken(Some(&entry), taking, now),
        Some(entry) => entry,
    };
    let may_move = match state {
        KeyState::Tombstone => entry.row.state != KeyState::Tombstone,
        _ => entry.is_unsettled() && entry.row.state != state,
    };
    if !is_own(&entry, *task, change) || !may_move {
        return Changed::Kept(late(&entry, &state, now));
    }
    if state == KeyState::InDoubt {
        entry.row.state = state;
        entry.row.changed_at = now;
    } else {
        entry.settle(state, now, retention);
    }
    Changed::Put(Box::new(entry))
}

/// A result that does not move the row is evidence, unless it is the recorded one again.
fn late(entry: &Entry, state: &KeyState, now: Timestamp) -> Option<Evidence> {
    match state {
        KeyState::Done { result } if entry.row.state != *state => {
            Some(evidence(&entry.row.key, entry.row.token, result, now))
        }
        _ => None,
    }
}

fn next_generation(
    entry: Option<Entry>,
    taking: &Taking<'_>,
    change: &KeyChange,
    retention: Duration,
    now: Timestamp,
) -> Changed {
    let Holder::Call { task, .. } = taking.holder else { return Changed::Kept(None) };
    let next = change.generation.saturating_add(1);
    let mut entry = match entry {
        None => taken(None, taking, now),
        Some(entry) => {
            // Two repeats of one generation make one new one; a call of a stranger is not taken away.
            let passed = entry.row.generation > change.generation;
            let open = entry.is_unsettled() && !entry.row.is_free() && !is_own(&entry, *task, change);
            if passed || open {
                return Changed::Kept(None);
            }
            entry
        }
    };
    entry.set_free(next, now, retention);
    Changed::Put(Box::new(entry))
}

fn answered(entry: Option<Entry>, task: TaskId, now: Timestamp) -> Changed {
    let Some(mut entry) = entry else { return Changed::Kept(None) };
    let own = matches!(&entry.row.holder, Holder::Call { task: holder, .. } if *holder == task);
    if own || entry.row.is_free() {
        return Changed::Kept(None);
    }
    entry.row.answered = entry.row.answered.saturating_add(1);
    entry.row.changed_at = now;
    Changed::Put(Box::new(entry))
}

/// Counts a task that takes a result over; none where what was done under the key stands no more (PROTOCOL 7).
pub(crate) fn rely(entry: Option<Entry>, generation: u32, now: Timestamp) -> Option<Entry> {
    let mut entry = entry?.seen(now);
    let row = &mut entry.row;
    let ended = matches!(row.state, KeyState::Done { .. } | KeyState::FailedFinal { .. });
    if row.is_free() || row.generation != generation || !ended {
        return None;
    }
    row.answered = row.answered.saturating_add(1);
    row.changed_at = now;
    Some(entry)
}

/// What a fork is told whose source has undone what it relies on.
pub(crate) fn no_more(call: &CallId) -> Error {
    Error::Stale { why: format!("what {call} did stands no more: it was undone, repeated or forgotten") }
}

/// The blob that a change makes its task or its key refer to.
pub(crate) fn blob_of(op: &KeyOp) -> Option<&str> {
    match op {
        KeyOp::Done { result: Payload::Blob(blob) } | KeyOp::Answered { blob: Some(blob) } => {
            Some(&blob.sha256)
        }
        _ => None,
    }
}
