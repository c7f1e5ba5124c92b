//! The key table's rules: who may execute, and what is known (PROTOCOL 3 to 5, 7, 8, 12).

mod change;
mod verbs;

use std::time::Duration;

use holdfast_types::key::{Holder, Key, KeyRow, KeyState, LateEvidence};
use holdfast_types::{CallId, Payload, Timestamp};

pub(crate) use change::{Changed, blob_of, change, no_more, rely};
pub(crate) use verbs::{
    Forgetting, Verdict, begin, complete, extend, fail_final, forget, is_settled, not_ended, offer_evidence,
    release,
};

/// How long a key that was given back remembers its token, so that tokens only grow.
const TOKEN_MEMORY: Duration = Duration::from_secs(24 * 3600);

/// A key's row, and what only the store knows of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The row.
    pub(crate) row: KeyRow,
    /// Who began the first attempt of this generation.
    pub(crate) first: Holder,
    /// Kept while its task is, whatever `keep_until` says.
    pub(crate) pinned: bool,
}

/// Evidence that is to be kept on a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evidence {
    /// The key.
    pub(crate) key: Key,
    /// What was offered.
    pub(crate) late: LateEvidence,
}

/// What is asked of a key when somebody takes it.
struct Taking<'a> {
    key: &'a Key,
    generation: u32,
    holder: &'a Holder,
    epoch: u64,
    fingerprint: &'a str,
    lease_until: Option<Timestamp>,
}

impl Entry {
    /// The entry as it is to be understood now: a lease that has run out leaves doubt, a retention that has passed
    /// leaves nothing.
    pub(crate) fn seen(mut self, now: Timestamp) -> Self {
        let row = &mut self.row;
        match row.state {
            KeyState::Open if row.lease_until.is_some_and(|until| until <= now) => {
                row.state = KeyState::InDoubt;
                row.lease_until = None;
            }
            KeyState::Done { .. } | KeyState::FailedFinal { .. } | KeyState::Tombstone
                if !self.pinned && row.keep_until.is_some_and(|until| until <= now) =>
            {
                let generation = row.generation;
                self.set_free(generation, now, TOKEN_MEMORY);
            }
            _ => {}
        }
        self
    }

    /// The row as others see it; none where nothing but a token is remembered.
    pub(crate) fn visible(self) -> Option<KeyRow> {
        (!self.is_blank()).then_some(self.row)
    }

    fn is_blank(&self) -> bool {
        self.row.is_free() && self.row.generation == 1
    }

    fn set_free(&mut self, generation: u32, now: Timestamp, remember: Duration) {
        let row = &mut self.row;
        row.generation = generation;
        row.state = KeyState::Open;
        row.attempts = 0;
        row.answered = 0;
        row.lease_until = None;
        row.changed_at = now;
        row.keep_until = Some(now.after(remember));
        self.pinned = false;
    }

    /// Settles a state for good, and begins its retention.
    fn settle(&mut self, state: KeyState, now: Timestamp, retention: Duration) {
        self.row.state = state;
        self.row.lease_until = None;
        self.row.changed_at = now;
        self.row.keep_until = Some(now.after(retention));
        self.pinned = matches!(self.row.holder, Holder::Call { .. });
    }

    fn next_token(&self, now: Timestamp) -> u64 {
        token_after(self.row.token, now)
    }

    fn is_unsettled(&self) -> bool {
        matches!(self.row.state, KeyState::Open | KeyState::InDoubt)
    }
}

/// A fencing number: grows with every claim, also where the clock steps back (PROTOCOL 5).
fn token_after(last: u64, now: Timestamp) -> u64 {
    last.saturating_add(1).max(u64::try_from(now.micros()).unwrap_or(0))
}

/// The first attempt of a generation.
fn taken(before: Option<&Entry>, taking: &Taking<'_>, now: Timestamp) -> Entry {
    let row = KeyRow {
        key: taking.key.clone(),
        generation: taking.generation,
        holder: taking.holder.clone(),
        epoch: taking.epoch,
        token: token_after(before.map_or(0, |entry| entry.row.token), now),
        attempts: 1,
        fingerprint: taking.fingerprint.to_owned(),
        state: KeyState::Open,
        lease_until: taking.lease_until,
        since: now,
        changed_at: now,
        keep_until: None,
        answered: 0,
    };
    Entry { row, first: taking.holder.clone(), pinned: false }
}

/// A call's name over all its generations and directions: what settles a key is in the name of any of them.
fn same_operation(a: &CallId, b: &CallId) -> bool {
    a.step == b.step && a.index == b.index && a.variant == b.variant
}

fn evidence(key: &Key, token: u64, result: &Payload, now: Timestamp) -> Evidence {
    Evidence { key: key.clone(), late: LateEvidence { token, at: now, result: result.clone() } }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
