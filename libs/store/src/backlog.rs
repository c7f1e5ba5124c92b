//! What waits in a store, for those who operate it: the questions, which both databases are asked in the same words.

use std::collections::BTreeMap;

use holdfast_ports::Error;
use holdfast_types::task::WaitReason;

/// What waits in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Tasks that want to be driven now, and that nobody drives.
    pub queued: u64,
    /// Tasks that wait, by what for.
    pub waiting: BTreeMap<WaitReason, u64>,
    /// Messages that no driver has taken.
    pub messages: u64,
}

/// Counts the tasks that want a driver at $1, nobody's and those of sessions that have ended, and the messages.
pub(crate) fn queues(unhandled: &str) -> String {
    format!(
        "SELECT (SELECT count(*) FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL AND wake_at <= $1) \
         + (SELECT count(*) FROM sessions s JOIN tasks t ON t.instance = s.instance AND t.owner IS NOT NULL \
         WHERE s.until <= $1 AND t.status NOT IN ('FINISHED', 'QUARANTINED')), \
         (SELECT count(*) FROM inbox WHERE {unhandled})"
    )
}

/// Counts the waiting tasks by what they wait for: it reads each of them.
pub(crate) const WAITING: &str =
    "SELECT coalesce(waits_for, ''), count(*) FROM tasks WHERE state = 'WAITING' GROUP BY waits_for";

/// Makes the answer of the counts. A task that does not say what it waits for is counted under none.
pub(crate) fn counted((queued, messages): (i64, i64), waiting: Vec<(String, i64)>) -> Result<Backlog, Error> {
    let mut counts = BTreeMap::new();
    for (reason, many) in waiting.iter().filter(|(reason, _)| !reason.is_empty()) {
        let reason: WaitReason = reason.parse().map_err(|error: holdfast_types::UnknownName| {
            Error::Corrupt { what: "tasks".to_owned(), why: error.to_string() }
        })?;
        counts.insert(reason, many.unsigned_abs());
    }
    Ok(Backlog { queued: queued.unsigned_abs(), waiting: counts, messages: messages.unsigned_abs() })
}
