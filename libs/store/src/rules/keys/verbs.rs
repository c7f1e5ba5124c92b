//! The key table's verbs for callers other than a task's append: foreign clients by lease and token, workers with
//! evidence, operators.

use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, Error, KeyAnswer, Repeat, Resolve};
use holdfast_types::key::{Holder, KeyState};
use holdfast_types::{Failure, Payload, Timestamp};

use super::{Entry, Evidence, Taking, evidence, taken};

/// What a verb answers, and what it leaves.
#[derive(Debug)]
pub(crate) struct Verdict<A> {
    /// The answer.
    pub(crate) answer: A,
    /// The key's new row; none: it stays as it is.
    pub(crate) put: Option<Entry>,
    /// A result to keep as evidence.
    pub(crate) evidence: Option<Evidence>,
}

impl<A> Verdict<A> {
    const fn keep(answer: A) -> Self {
        Self { answer, put: None, evidence: None }
    }

    const fn put(answer: A, entry: Entry) -> Self {
        Self { answer, put: Some(entry), evidence: None }
    }
}

const fn fenced(entry: &Entry) -> KeyAnswer {
    KeyAnswer::Fenced { current: entry.row.token }
}

/// Decides who may run an operation.
///
/// # Errors
/// `Stale` where a repeat names a generation that is not the last one, or has not ended.
pub(crate) fn begin(
    entry: Option<Entry>,
    begin: &Begin,
    now: Timestamp,
) -> Result<Verdict<BeginAnswer>, Error> {
    let entry = entry.map(|entry| entry.seen(now));
    match &begin.repeat {
        Some(repeat) => again(entry, begin, repeat, now),
        None => Ok(first(entry, begin, now)),
    }
}

/// Opens the generation after the one that is repeated; who comes second finds it open, or ended.
fn again(
    entry: Option<Entry>,
    begin: &Begin,
    repeat: &Repeat,
    now: Timestamp,
) -> Result<Verdict<BeginAnswer>, Error> {
    let next = repeat.generation.checked_add(1).filter(|_| repeat.generation > 0 && !is_call(&begin.holder));
    let (Some(entry), Some(next)) = (entry, next) else { return Err(not_ended(repeat)) };
    let row = &entry.row;
    if row.generation == next {
        return Ok(first(Some(entry), begin, now));
    }
    if row.generation != repeat.generation || row.is_free() || entry.is_unsettled() {
        return Err(not_ended(repeat));
    }
    let other = !row.fingerprint.is_empty() && row.fingerprint != begin.fingerprint;
    if other || row.state == KeyState::Tombstone {
        return Ok(first(Some(entry), begin, now));
    }
    let taking = Taking { generation: next, ..taking(begin, now) };
    Ok(acquired(taken(Some(&entry), &taking, now)))
}

/// Why a repeat is refused.
pub(crate) fn not_ended(repeat: &Repeat) -> Error {
    let why = format!("generation {} is not the key's last one, or has not ended", repeat.generation);
    Error::Stale { why }
}

fn taking(begin: &Begin, now: Timestamp) -> Taking<'_> {
    Taking {
        key: &begin.key,
        generation: 1,
        holder: &begin.holder,
        epoch: begin.epoch,
        fingerprint: &begin.fingerprint,
        lease_until: lease_of(&begin.holder, begin.lease, now),
    }
}

fn first(entry: Option<Entry>, begin: &Begin, now: Timestamp) -> Verdict<BeginAnswer> {
    let mut taking = taking(begin, now);
    let entry = match entry {
        None if is_call(&begin.holder) => return unclaimed(0),
        Some(entry) if entry.row.is_free() && is_call(&begin.holder) => return unclaimed(entry.row.token),
        None => return acquired(taken(None, &taking, now)),
        Some(entry) if entry.row.is_free() => {
            taking.generation = entry.row.generation;
            return acquired(taken(Some(&entry), &taking, now));
        }
        Some(entry) => entry,
    };
    let row = &entry.row;
    if !row.fingerprint.is_empty() && row.fingerprint != begin.fingerprint {
        return Verdict::keep(BeginAnswer::Mismatch { first: row.fingerprint.clone() });
    }
    match &row.state {
        KeyState::Done { result } => {
            Verdict::keep(BeginAnswer::Completed { result: result.clone(), at: row.changed_at })
        }
        KeyState::FailedFinal { failure } => {
            Verdict::keep(BeginAnswer::FailedFinal { failure: failure.clone() })
        }
        KeyState::Tombstone => Verdict::keep(BeginAnswer::Tombstone),
        KeyState::Open | KeyState::InDoubt if row.holder == begin.holder && is_call(&row.holder) => {
            resume(entry, begin, now)
        }
        KeyState::Open => {
            Verdict::keep(BeginAnswer::InProgress { holder: row.holder.clone(), until: row.lease_until })
        }
        KeyState::InDoubt => in_doubt(entry, begin, now),
    }
}

fn acquired(entry: Entry) -> Verdict<BeginAnswer> {
    let answer = BeginAnswer::Acquired { token: entry.row.token, takeover: false, earlier_attempts: 0 };
    Verdict::put(answer, entry)
}

/// Nobody holds the key, and a task's call asks: it is its append that claims. A row that was made here would outlive an
/// append that is refused or never comes, and nobody could settle it. The token is that of no claim.
const fn unclaimed(token: u64) -> Verdict<BeginAnswer> {
    Verdict::keep(BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 })
}

/// The same call of a task: goes on under a higher epoch, is told the same again under the same one.
fn resume(mut entry: Entry, begin: &Begin, now: Timestamp) -> Verdict<BeginAnswer> {
    let row = &mut entry.row;
    let earlier_attempts = row.attempts;
    if begin.epoch < row.epoch {
        return Verdict::keep(BeginAnswer::InProgress { holder: row.holder.clone(), until: None });
    }
    if begin.epoch == row.epoch && row.state == KeyState::Open {
        let earlier_attempts = earlier_attempts.saturating_sub(1);
        return Verdict::keep(BeginAnswer::Acquired { token: row.token, takeover: false, earlier_attempts });
    }
    row.token = super::token_after(row.token, now);
    row.epoch = begin.epoch;
    row.attempts = row.attempts.saturating_add(1);
    row.state = KeyState::Open;
    row.changed_at = now;
    Verdict::put(BeginAnswer::Acquired { token: row.token, takeover: true, earlier_attempts }, entry)
}

/// Nobody knows how it ended. Who asks to verify holds the key while it probes; the first holder is remembered. What
/// a task's call has left in doubt is its driver's to settle.
fn in_doubt(mut entry: Entry, begin: &Begin, now: Timestamp) -> Verdict<BeginAnswer> {
    let row = &mut entry.row;
    let (since, attempts, holder) = (row.since, row.attempts, entry.first.clone());
    if begin.resolve == Resolve::Report || is_call(&row.holder) || is_call(&begin.holder) {
        return Verdict::keep(BeginAnswer::InDoubt { holder, since, attempts, token: None });
    }
    row.token = super::token_after(row.token, now);
    row.holder = begin.holder.clone();
    row.epoch = begin.epoch;
    row.attempts = row.attempts.saturating_add(1);
    row.state = KeyState::Open;
    row.lease_until = lease_of(&begin.holder, begin.lease, now);
    row.changed_at = now;
    let token = Some(row.token);
    Verdict::put(BeginAnswer::InDoubt { holder, since, attempts, token }, entry)
}

const fn is_call(holder: &Holder) -> bool {
    matches!(holder, Holder::Call { .. })
}

fn lease_of(holder: &Holder, lease: Duration, now: Timestamp) -> Option<Timestamp> {
    (!is_call(holder)).then(|| now.after(lease))
}

/// Prolongs a foreign holder's lease; one that ran out goes on where nobody has taken the key since.
pub(crate) fn extend(
    entry: Option<Entry>,
    token: u64,
    lease: Duration,
    now: Timestamp,
) -> Verdict<KeyAnswer> {
    let Some(mut entry) = entry.filter(|entry| !entry.row.is_free()) else {
        return Verdict::keep(KeyAnswer::NotFound);
    };
    if entry.row.token != token || entry.row.state != KeyState::Open {
        return Verdict::keep(fenced(&entry));
    }
    if is_call(&entry.row.holder) {
        return Verdict::keep(KeyAnswer::Ok);
    }
    entry.row.lease_until = Some(now.after(lease));
    Verdict::put(KeyAnswer::Ok, entry)
}

/// Records a result. A call of a task is settled by its driver: there the result is evidence.
pub(crate) fn complete(
    entry: Option<Entry>,
    token: u64,
    result: &Payload,
    retention: Duration,
    now: Timestamp,
) -> Verdict<KeyAnswer> {
    let Some(mut entry) = entry.map(|entry| entry.seen(now)).filter(|entry| !entry.row.is_free()) else {
        return Verdict::keep(KeyAnswer::NotFound);
    };
    let current = entry.row.token == token;
    if current && entry.row.state == (KeyState::Done { result: result.clone() }) {
        return Verdict::keep(KeyAnswer::Ok);
    }
    if !current || is_call(&entry.row.holder) || !entry.is_unsettled() {
        let answer = if current && is_call(&entry.row.holder) { KeyAnswer::Ok } else { fenced(&entry) };
        let evidence = Some(evidence(&entry.row.key, token, result, now));
        return Verdict { answer, put: None, evidence };
    }
    entry.settle(KeyState::Done { result: result.clone() }, now, retention);
    Verdict::put(KeyAnswer::Ok, entry)
}

/// Takes one attempt back. Each release has a new token after it, so that its repeat takes back nothing more.
pub(crate) fn release(entry: Option<Entry>, token: u64, now: Timestamp) -> Verdict<KeyAnswer> {
    let Some(mut entry) = entry.map(|entry| entry.seen(now)).filter(|entry| !entry.row.is_free()) else {
        return Verdict::keep(KeyAnswer::NotFound);
    };
    if entry.row.token != token || !entry.is_unsettled() {
        return Verdict::keep(fenced(&entry));
    }
    let row = &mut entry.row;
    row.token = row.token.saturating_add(1);
    if row.attempts <= 1 {
        let generation = row.generation;
        entry.set_free(generation, now, super::TOKEN_MEMORY);
        return Verdict::put(KeyAnswer::Ok, entry);
    }
    row.attempts -= 1;
    row.state = KeyState::InDoubt;
    row.lease_until = None;
    row.changed_at = now;
    row.holder = entry.first.clone();
    Verdict::put(KeyAnswer::Ok, entry)
}

/// Records a failure for good. A call of a task is settled by its driver alone.
pub(crate) fn fail_final(
    entry: Option<Entry>,
    token: u64,
    failure: &Failure,
    retention: Duration,
    now: Timestamp,
) -> Verdict<KeyAnswer> {
    let Some(mut entry) = entry.map(|entry| entry.seen(now)).filter(|entry| !entry.row.is_free()) else {
        return Verdict::keep(KeyAnswer::NotFound);
    };
    let failed = KeyState::FailedFinal { failure: failure.clone() };
    if entry.row.token == token && entry.row.state == failed {
        return Verdict::keep(KeyAnswer::Ok);
    }
    if entry.row.token != token || is_call(&entry.row.holder) || !entry.is_unsettled() {
        return Verdict::keep(fenced(&entry));
    }
    entry.settle(failed, now, retention);
    Verdict::put(KeyAnswer::Ok, entry)
}

/// Keeps a worker's result on the key of its call: under the row's token, so that its driver knows it for its own, and
/// under none where the key is another's.
pub(crate) fn offer_evidence(
    entry: Option<Entry>,
    holder: &Holder,
    result: &Payload,
    now: Timestamp,
) -> Verdict<KeyAnswer> {
    let Some(entry) = entry.filter(|entry| !entry.row.is_free()) else {
        return Verdict::keep(KeyAnswer::NotFound);
    };
    let own = entry.row.holder == *holder;
    let answer = if own { KeyAnswer::Ok } else { fenced(&entry) };
    let token = if own { entry.row.token } else { 0 };
    let evidence = Some(evidence(&entry.row.key, token, result, now));
    Verdict { answer, put: None, evidence }
}

/// Says whether an operator may remove a key.
pub(crate) fn forget(entry: Option<&Entry>) -> Forgetting<'_> {
    match entry {
        Some(entry) if entry.row.is_free() && entry.row.generation == 1 => Forgetting::NotFound,
        Some(entry)
            if is_call(&entry.row.holder) && !entry.row.is_free() && entry.row.state == KeyState::Open =>
        {
            Forgetting::Held(&entry.row.holder)
        }
        Some(_) => Forgetting::Go,
        None => Forgetting::NotFound,
    }
}

/// What an operator's wish to remove a key comes to.
pub(crate) enum Forgetting<'a> {
    /// It goes.
    Go,
    /// There is none.
    NotFound,
    /// Its call is open.
    Held(&'a Holder),
}

/// Says whether a waiter may stop: settled, or gone. Doubt is neither.
pub(crate) fn is_settled(state: &KeyState) -> bool {
    matches!(state, KeyState::Done { .. } | KeyState::FailedFinal { .. } | KeyState::Tombstone)
}
