//! What becomes of a request to mark a restore, whatever database it stands in.

use holdfast_ports::Error;
use holdfast_types::Timestamp;
use holdfast_types::restore::{MarkRestored, Marked, Restore};

/// What a store knows when it is asked.
#[derive(Debug)]
pub(crate) struct Known {
    /// The mark of the same moment.
    pub(crate) mark: Option<Restore>,
    /// Living sessions, and when the last of them ends.
    pub(crate) sessions: Option<(u64, Timestamp)>,
    /// How many tasks are unfinished.
    pub(crate) unfinished: u64,
}

/// Judges a request. Who gets `Now` writes the mark, unless one only looks.
pub(crate) fn judge(mark: &MarkRestored, known: Known, now: Timestamp) -> Result<Marked, Error> {
    if mark.restored_at > now {
        let why = "it is in the future of the store's clock: the moment that the backup shows is asked for";
        return Err(Error::Invalid { field: "restored_at".to_owned(), why: why.to_owned() });
    }
    let Known { mark: before, sessions, unfinished } = known;
    if let Some(restore) = before {
        return Ok(Marked::Before { restore, unfinished });
    }
    if let Some((instances, until)) = sessions {
        return Ok(Marked::InUse { instances, until });
    }
    let restore = Restore { restored_at: mark.restored_at, marked_at: now, by: mark.by.clone() };
    Ok(Marked::Now { restore, unfinished })
}

/// The number of unfinished tasks, in both databases' words.
pub(crate) const UNFINISHED: &str = "SELECT CAST(coalesce(sum(unfinished), 0) AS BIGINT) FROM queues";
