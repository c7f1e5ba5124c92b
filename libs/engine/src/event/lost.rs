//! What a restore of an older backup has lost.

use holdfast_types::Timestamp;
use holdfast_types::restore::Restore;
use serde::{Deserialize, Serialize};

/// A time of which the journal knows nothing: what was begun in it may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostWindow {
    /// Nothing of it began earlier: the moment that the backup shows.
    pub from: Timestamp,
    /// Nothing of it began later: when the restore was marked.
    pub until: Timestamp,
}

impl LostWindow {
    /// The window of a restore, with that of the ones before.
    pub(crate) fn joined(before: Option<Self>, restore: &Restore) -> Self {
        let Restore { restored_at, marked_at, .. } = restore;
        match before {
            None => Self { from: *restored_at, until: *marked_at },
            Some(Self { from, until }) => Self { from: from.min(*restored_at), until: until.max(*marked_at) },
        }
    }
}
