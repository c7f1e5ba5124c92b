//! Marks of restores.

use holdfast_types::restore::{MarkMode, MarkRestored, Marked, Restore};

use super::{Invalid, time};
use crate::v1;
use crate::v1::mark_restored_response::{InUse, Outcome};

impl From<Restore> for v1::Restore {
    fn from(restore: Restore) -> Self {
        Self {
            restored_at: Some(time::timestamp(restore.restored_at)),
            marked_at: Some(time::timestamp(restore.marked_at)),
            by: restore.by,
        }
    }
}

impl TryFrom<v1::Restore> for Restore {
    type Error = Invalid;

    fn try_from(wire: v1::Restore) -> Result<Self, Invalid> {
        Ok(Self {
            restored_at: time::required_timestamp("restored_at", wire.restored_at)?,
            marked_at: time::required_timestamp("marked_at", wire.marked_at)?,
            by: wire.by,
        })
    }
}

impl From<MarkRestored> for v1::MarkRestoredRequest {
    fn from(mark: MarkRestored) -> Self {
        Self {
            restored_at: Some(time::timestamp(mark.restored_at)),
            by: mark.by,
            dry_run: mark.mode == MarkMode::Look,
        }
    }
}

impl TryFrom<v1::MarkRestoredRequest> for MarkRestored {
    type Error = Invalid;

    fn try_from(wire: v1::MarkRestoredRequest) -> Result<Self, Invalid> {
        Ok(Self {
            restored_at: time::required_timestamp("restored_at", wire.restored_at)?,
            by: wire.by,
            mode: if wire.dry_run { MarkMode::Look } else { MarkMode::Write },
        })
    }
}

impl From<Marked> for v1::MarkRestoredResponse {
    fn from(marked: Marked) -> Self {
        let (outcome, unfinished_tasks) = match marked {
            Marked::Now { restore, unfinished } => (Outcome::Now(restore.into()), unfinished),
            Marked::Before { restore, unfinished } => (Outcome::Before(restore.into()), unfinished),
            Marked::InUse { instances, until } => {
                (Outcome::InUse(InUse { instances, until: Some(time::timestamp(until)) }), 0)
            }
        };
        Self { outcome: Some(outcome), unfinished_tasks }
    }
}

impl TryFrom<v1::MarkRestoredResponse> for Marked {
    type Error = Invalid;

    fn try_from(wire: v1::MarkRestoredResponse) -> Result<Self, Invalid> {
        let unfinished = wire.unfinished_tasks;
        match wire.outcome {
            Some(Outcome::Now(restore)) => Ok(Self::Now { restore: restore.try_into()?, unfinished }),
            Some(Outcome::Before(restore)) => Ok(Self::Before { restore: restore.try_into()?, unfinished }),
            Some(Outcome::InUse(InUse { instances, until })) => {
                Ok(Self::InUse { instances, until: time::required_timestamp("in_use.until", until)? })
            }
            None => Err(Invalid::missing("outcome", "now, before or in_use")),
        }
    }
}
