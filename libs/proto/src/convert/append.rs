//! Appends to a journal, and what becomes of them.

use holdfast_types::journal::{Append, Appended, Hold, NewEvent, Progress, Refusal, RowUpdate};
use holdfast_types::key::KeyRow;
use holdfast_types::task::WaitReason;
use holdfast_types::{TaskOutcome, TaskStatus};

use super::closed::{number, number_or_zero};
use super::fields::{self, chosen, each, required, sha256, some_text, text};
use super::{Invalid, Within, known, known_or_none, time};
use crate::v1;
use crate::v1::append_result as result;

impl From<NewEvent> for v1::NewEvent {
    fn from(event: NewEvent) -> Self {
        Self {
            at: Some(time::timestamp(event.at)),
            kind: event.kind,
            v: event.v.into(),
            body_json: event.body,
            blobs: event.blobs,
        }
    }
}

impl TryFrom<v1::NewEvent> for NewEvent {
    type Error = Invalid;

    fn try_from(wire: v1::NewEvent) -> Result<Self, Invalid> {
        let blob = |(position, digest)| sha256(&format!("blobs[{position}]"), digest);
        Ok(Self {
            at: time::required_timestamp("at", wire.at)?,
            kind: some_text("kind", wire.kind)?,
            v: fields::number("v", wire.v)?,
            body: some_text("body_json", wire.body_json)?,
            blobs: wire.blobs.into_iter().enumerate().map(blob).collect::<Result<_, _>>()?,
        })
    }
}

impl From<RowUpdate> for v1::RowUpdate {
    fn from(row: RowUpdate) -> Self {
        Self {
            status: number::<TaskStatus, v1::TaskStatus>(row.status),
            outcome: number_or_zero::<TaskOutcome, v1::TaskOutcome>(row.outcome),
            waits_for: number_or_zero::<WaitReason, v1::WaitReason>(row.waits_for),
            wake_at: row.wake_at.map(time::timestamp),
        }
    }
}

impl TryFrom<v1::RowUpdate> for RowUpdate {
    type Error = Invalid;

    fn try_from(wire: v1::RowUpdate) -> Result<Self, Invalid> {
        Ok(Self {
            status: known("status", wire.status)?,
            outcome: known_or_none("outcome", wire.outcome)?,
            waits_for: known_or_none("waits_for", wire.waits_for)?,
            wake_at: time::optional_timestamp("wake_at", wire.wake_at)?,
        })
    }
}

impl From<Append> for v1::TaskAppend {
    fn from(append: Append) -> Self {
        Self {
            append_id: append.id.to_string(),
            task_id: append.task.to_string(),
            epoch: append.epoch,
            owner_id: append.owner.to_string(),
            expected_seq: append.expected_seq,
            events: append.events.into_iter().map(Into::into).collect(),
            keys: append.keys.into_iter().map(Into::into).collect(),
            handled: append.handled.iter().map(ToString::to_string).collect(),
            row: Some(append.row.into()),
            progress: number::<Progress, v1::task_append::Progress>(append.progress),
            hold: number::<Hold, v1::task_append::Hold>(append.hold),
            children: Vec::new(),
            messages: Vec::new(),
            expires_at: None,
            last_good: append.last_good.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::TaskAppend> for Append {
    type Error = Invalid;

    fn try_from(wire: v1::TaskAppend) -> Result<Self, Invalid> {
        for (field, is_there) in [
            ("children", !wire.children.is_empty()),
            ("messages", !wire.messages.is_empty()),
            ("expires_at", wire.expires_at.is_some()),
        ] {
            if is_there {
                return Err(Invalid::hidden(field, "nothing: this server does not support it"));
            }
        }
        let handled = |(position, id): (usize, &String)| text(&format!("handled[{position}]"), id);
        Ok(Self {
            id: text("append_id", &wire.append_id)?,
            task: text("task_id", &wire.task_id)?,
            epoch: wire.epoch,
            owner: text("owner_id", &wire.owner_id)?,
            expected_seq: wire.expected_seq,
            events: each("events", wire.events)?,
            keys: each("keys", wire.keys)?,
            last_good: each("last_good", wire.last_good)?,
            handled: wire.handled.iter().enumerate().map(handled).collect::<Result<_, _>>()?,
            row: required("row", wire.row)?,
            progress: known_or_none("progress", wire.progress)?.unwrap_or(Progress::None),
            hold: known_or_none("hold", wire.hold)?.unwrap_or(Hold::Keep),
        })
    }
}

impl From<Appended> for v1::AppendResult {
    fn from(appended: Appended) -> Self {
        let result = match appended {
            Appended::Ok { last_seq, tokens } => result::Result::Ok(result::Ok { last_seq, tokens }),
            Appended::Refused(Refusal::StaleEpoch { epoch }) => {
                result::Result::StaleEpoch(result::StaleEpoch { epoch })
            }
            Appended::Refused(Refusal::SeqMismatch { last_seq }) => {
                result::Result::SeqMismatch(result::SeqMismatch { last_seq })
            }
            Appended::Refused(Refusal::KeyHeld(row)) => result::Result::KeyHeld((*row).into()),
            Appended::Refused(Refusal::BlobMissing { sha256 }) => {
                result::Result::BlobMissing(result::BlobMissing { sha256 })
            }
            Appended::Refused(Refusal::NoSuchTask) => result::Result::NoSuchTask(result::NoSuchTask {}),
        };
        Self { result: Some(result) }
    }
}

impl TryFrom<v1::AppendResult> for Appended {
    type Error = Invalid;

    fn try_from(wire: v1::AppendResult) -> Result<Self, Invalid> {
        let refusal = match chosen("result", wire.result)? {
            result::Result::Ok(ok) => return Ok(Self::Ok { last_seq: ok.last_seq, tokens: ok.tokens }),
            result::Result::StaleEpoch(stale) => Refusal::StaleEpoch { epoch: stale.epoch },
            result::Result::SeqMismatch(mismatch) => Refusal::SeqMismatch { last_seq: mismatch.last_seq },
            result::Result::KeyHeld(row) => {
                Refusal::KeyHeld(Box::new(KeyRow::try_from(row).within("key_held")?))
            }
            result::Result::BlobMissing(missing) => Refusal::BlobMissing { sha256: missing.sha256 },
            result::Result::NoSuchTask(_) => Refusal::NoSuchTask,
            result::Result::Expired(_) => {
                return Err(Invalid::hidden("expired", "another answer: no append names an expiry"));
            }
        };
        Ok(Self::Refused(refusal))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use holdfast_types::{AppendId, MessageId, OwnerId};
    use proptest::prelude::*;

    use super::super::call::tests::any_task_id;
    use super::super::key::tests::{any_at, any_change, any_row};
    use super::super::last_good::tests::any_new;
    use super::*;

    pub(crate) fn any_event() -> impl Strategy<Value = NewEvent> {
        (any_at(), "[a-z_]{1,9}", any::<u16>(), prop::collection::vec("[0-9a-f]{64}", 0..2))
            .prop_map(|(at, kind, v, blobs)| NewEvent { at, kind, v, body: "{}".into(), blobs })
    }

    fn any_update() -> impl Strategy<Value = RowUpdate> {
        (
            prop::sample::select(TaskStatus::ALL),
            prop::option::of(prop::sample::select(TaskOutcome::ALL)),
            prop::option::of(prop::sample::select(WaitReason::ALL)),
            prop::option::of(any_at()),
        )
            .prop_map(|(status, outcome, waits_for, wake_at)| RowUpdate {
                status,
                outcome,
                waits_for,
                wake_at,
            })
    }

    fn any_append() -> impl Strategy<Value = Append> {
        (
            (any_task_id(), any::<u64>(), any::<u64>(), any::<[u8; 10]>()),
            prop::collection::vec(any_event(), 0..3),
            (prop::collection::vec(any_change(), 0..3), prop::collection::vec(any_new(), 0..2)),
            (any_update(), prop::sample::select(Progress::ALL), prop::sample::select(Hold::ALL)),
        )
            .prop_map(
                |((task, epoch, expected_seq, random), events, (keys, last_good), (row, progress, hold))| {
                    Append {
                        id: AppendId::new(1, random),
                        task,
                        epoch,
                        owner: OwnerId::new(2, random),
                        expected_seq,
                        events,
                        keys,
                        last_good,
                        handled: vec![MessageId::new(3, random)],
                        row,
                        progress,
                        hold,
                    }
                },
            )
    }

    fn any_appended() -> impl Strategy<Value = Appended> {
        prop_oneof![
            (any::<u64>(), prop::collection::vec(any::<u64>(), 0..3))
                .prop_map(|(last_seq, tokens)| Appended::Ok { last_seq, tokens }),
            any::<u64>().prop_map(|epoch| Appended::Refused(Refusal::StaleEpoch { epoch })),
            any::<u64>().prop_map(|last_seq| Appended::Refused(Refusal::SeqMismatch { last_seq })),
            any_row().prop_map(|row| Appended::Refused(Refusal::KeyHeld(Box::new(row)))),
            "[0-9a-f]{64}".prop_map(|sha256| Appended::Refused(Refusal::BlobMissing { sha256 })),
            Just(Appended::Refused(Refusal::NoSuchTask)),
        ]
    }

    proptest! {
        #[test]
        fn appends_round_trip(append in any_append()) {
            prop_assert_eq!(Append::try_from(v1::TaskAppend::from(append.clone())).unwrap(), append);
        }

        #[test]
        fn answers_round_trip(appended in any_appended()) {
            prop_assert_eq!(Appended::try_from(v1::AppendResult::from(appended.clone())).unwrap(), appended);
        }
    }

    #[test]
    fn what_an_append_can_not_do_is_refused_and_not_dropped() {
        for (field, wire) in [
            ("children", v1::TaskAppend { children: vec![v1::NewTask::default()], ..Default::default() }),
            (
                "messages",
                v1::TaskAppend { messages: vec![v1::InboxMessage::default()], ..Default::default() },
            ),
            ("expires_at", v1::TaskAppend { expires_at: Some(Default::default()), ..Default::default() }),
        ] {
            assert_eq!(Append::try_from(wire).unwrap_err().path, field);
        }
    }
}
