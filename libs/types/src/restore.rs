//! A restore of an older backup: what happened after it was taken is in no journal (DESIGN section 11).

use crate::Timestamp;

/// A restore, as an operator has marked it in the store that came back.
///
/// What was begun between its two instants may have happened although the store does not know of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Restore {
    /// The moment that the backup shows: what the store has written since is lost.
    pub restored_at: Timestamp,
    /// When it was marked, on the store's clock: nothing of the lost past began later.
    pub marked_at: Timestamp,
    /// Who marked it, as far as known.
    pub by: String,
}

/// A request to mark a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRestored {
    /// The moment that the backup shows.
    pub restored_at: Timestamp,
    /// Who asks, for people.
    pub by: String,
    /// Whether it is only looked at.
    pub mode: MarkMode,
}

closed_list! {
    /// Whether a mark is written.
    pub enum MarkMode {
        /// It is.
        Write = "WRITE",
        /// Nothing is changed: what would be said.
        Look = "LOOK",
    }
}

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// It is marked; where one only looks: it can be.
    Now {
        /// The mark.
        restore: Restore,
        /// How many tasks of the store are unfinished, and heed it.
        unfinished: u64,
    },
    /// The same moment was marked before: nothing was changed.
    Before {
        /// The mark of then.
        restore: Restore,
        /// How many tasks of the store are unfinished.
        unfinished: u64,
    },
    /// Orchestrators are at work on the store: nothing was changed.
    InUse {
        /// How many have a session.
        instances: u64,
        /// When the last of their leases ends, if they are gone.
        until: Timestamp,
    },
}
