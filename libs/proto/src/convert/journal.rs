//! What is read from a journal: events, snapshots, and the claims on its tasks.

use holdfast_types::journal::{Claimed, EventRow, PreviousLife, Snapshot};

use super::closed::number;
use super::fields::{self, some_text, text};
use super::{Invalid, known, time};
use crate::v1;

impl From<EventRow> for v1::TaskEvent {
    fn from(event: EventRow) -> Self {
        Self {
            seq: event.seq,
            epoch: event.epoch,
            at: Some(time::timestamp(event.at)),
            kind: event.kind,
            v: event.v.into(),
            body_json: event.body,
        }
    }
}

impl TryFrom<v1::TaskEvent> for EventRow {
    type Error = Invalid;

    fn try_from(wire: v1::TaskEvent) -> Result<Self, Invalid> {
        Ok(Self {
            seq: wire.seq,
            epoch: wire.epoch,
            at: time::required_timestamp("at", wire.at)?,
            kind: some_text("kind", wire.kind)?,
            v: fields::number("v", wire.v)?,
            body: some_text("body_json", wire.body_json)?,
        })
    }
}

impl From<Claimed> for v1::ClaimedTask {
    fn from(claimed: Claimed) -> Self {
        Self {
            task_id: claimed.task.to_string(),
            epoch: claimed.epoch,
            owner_id: claimed.owner.to_string(),
            last_seq: claimed.last_seq,
            previous: number::<PreviousLife, v1::claimed_task::PreviousLife>(claimed.previous),
            barren_lives: claimed.barren_lives,
        }
    }
}

impl TryFrom<v1::ClaimedTask> for Claimed {
    type Error = Invalid;

    fn try_from(wire: v1::ClaimedTask) -> Result<Self, Invalid> {
        Ok(Self {
            task: text("task_id", &wire.task_id)?,
            epoch: wire.epoch,
            owner: text("owner_id", &wire.owner_id)?,
            last_seq: wire.last_seq,
            previous: known("previous", wire.previous)?,
            barren_lives: wire.barren_lives,
        })
    }
}

impl From<Snapshot> for v1::Snapshot {
    fn from(snapshot: Snapshot) -> Self {
        Self { seq: snapshot.seq, v: snapshot.v.into(), body_json: snapshot.body }
    }
}

impl TryFrom<v1::Snapshot> for Snapshot {
    type Error = Invalid;

    fn try_from(wire: v1::Snapshot) -> Result<Self, Invalid> {
        Ok(Self {
            seq: wire.seq,
            v: fields::number("v", wire.v)?,
            body: some_text("body_json", wire.body_json)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_types::OwnerId;
    use proptest::prelude::*;

    use super::super::call::tests::any_task_id;
    use super::super::key::tests::any_at;
    use super::*;

    proptest! {
        #[test]
        fn rows_claims_and_snapshots_round_trip(
            (task, seq, epoch, v) in (any_task_id(), any::<u64>(), any::<u64>(), any::<u16>()),
            at in any_at(),
            previous in prop::sample::select(PreviousLife::ALL),
        ) {
            let event = EventRow { seq, epoch, at, kind: "finished".into(), v, body: "{}".into() };
            prop_assert_eq!(EventRow::try_from(v1::TaskEvent::from(event.clone())).unwrap(), event);
            let owner = OwnerId::new(1, [5; 10]);
            let claimed = Claimed { task, epoch, owner, last_seq: seq, previous, barren_lives: 2 };
            prop_assert_eq!(Claimed::try_from(v1::ClaimedTask::from(claimed.clone())).unwrap(), claimed);
            let snapshot = Snapshot { seq, v, body: "{}".into() };
            prop_assert_eq!(Snapshot::try_from(v1::Snapshot::from(snapshot.clone())).unwrap(), snapshot);
        }
    }

    #[test]
    fn a_version_that_does_not_fit_is_refused() {
        let wire = v1::Snapshot { seq: 1, v: 70_000, body_json: "{}".into() };
        assert_eq!(Snapshot::try_from(wire).unwrap_err().path, "v");
    }
}
