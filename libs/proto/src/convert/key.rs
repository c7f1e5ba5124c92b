//! Keys of operations: holders, rows of the key table, and the changes that ride in an append.

use holdfast_types::key::{Holder, Key, KeyChange, KeyOp, KeyRow, KeyState, LateEvidence};
use holdfast_types::worker::CallRef;
use holdfast_types::{BlobRef, Failure, Payload};

use super::fields::{chosen, optional, required, some_text, text};
use super::{Invalid, Within, time};
use crate::v1;
use crate::v1::holder::Holder as WireHolder;
use crate::v1::key_change as change;

/// Reads a key.
///
/// # Errors
/// [`Invalid`] where the text can't be a key; the text is not shown.
pub fn read_key(field: &str, text: String) -> Result<Key, Invalid> {
    Key::try_new(text).map_err(|error| Invalid::hidden(field, error.to_string()))
}

impl From<Holder> for v1::Holder {
    fn from(holder: Holder) -> Self {
        let holder = match holder {
            Holder::Call { task, call } => WireHolder::Call(CallRef { task, call }.into()),
            Holder::Foreign(client) => WireHolder::Foreign(client),
        };
        Self { holder: Some(holder) }
    }
}

impl TryFrom<v1::Holder> for Holder {
    type Error = Invalid;

    fn try_from(wire: v1::Holder) -> Result<Self, Invalid> {
        Ok(match chosen("holder", wire.holder)? {
            WireHolder::Call(call) => {
                let CallRef { task, call } = call.try_into().within("call")?;
                Self::Call { task, call }
            }
            WireHolder::Foreign(client) if client.len() > FOREIGN_LIMIT => {
                return Err(Invalid::new("foreign", client, format!("at most {FOREIGN_LIMIT} bytes")));
            }
            WireHolder::Foreign(client) => Self::Foreign(some_text("foreign", client)?),
        })
    }
}

/// The longest name of a foreign holder, in bytes.
const FOREIGN_LIMIT: usize = 200;

impl From<KeyRow> for v1::KeyRow {
    fn from(row: KeyRow) -> Self {
        let (state, result, failure) = match row.state {
            KeyState::Open => (v1::KeyState::Open, None, None),
            KeyState::Done { result } => (v1::KeyState::Done, Some(result.into()), None),
            KeyState::FailedFinal { failure } => (v1::KeyState::FailedFinal, None, Some(failure.into())),
            KeyState::InDoubt => (v1::KeyState::InDoubt, None, None),
            KeyState::Tombstone => (v1::KeyState::Tombstone, None, None),
        };
        Self {
            key: row.key.as_str().to_owned(),
            generation: row.generation,
            holder: Some(row.holder.into()),
            epoch: row.epoch,
            token: row.token,
            attempts: row.attempts,
            fingerprint: row.fingerprint,
            state: state.into(),
            result,
            failure,
            lease_until: row.lease_until.map(time::timestamp),
            since: Some(time::timestamp(row.since)),
            changed_at: Some(time::timestamp(row.changed_at)),
            keep_until: row.keep_until.map(time::timestamp),
            answered: row.answered,
        }
    }
}

impl TryFrom<v1::KeyRow> for KeyRow {
    type Error = Invalid;

    fn try_from(wire: v1::KeyRow) -> Result<Self, Invalid> {
        let state = match v1::KeyState::try_from(wire.state) {
            Ok(v1::KeyState::Open) => KeyState::Open,
            Ok(v1::KeyState::Done) => KeyState::Done { result: required("result", wire.result)? },
            Ok(v1::KeyState::FailedFinal) => {
                KeyState::FailedFinal { failure: required("failure", wire.failure)? }
            }
            Ok(v1::KeyState::InDoubt) => KeyState::InDoubt,
            Ok(v1::KeyState::Tombstone) => KeyState::Tombstone,
            Ok(v1::KeyState::Unspecified) | Err(_) => {
                return Err(Invalid::new("state", wire.state, "a value of KeyState"));
            }
        };
        Ok(Self {
            key: read_key("key", wire.key)?,
            generation: generation(wire.generation)?,
            holder: required("holder", wire.holder)?,
            epoch: wire.epoch,
            token: wire.token,
            attempts: wire.attempts,
            // A row that was put back by its outcome has none.
            fingerprint: wire.fingerprint,
            state,
            lease_until: time::optional_timestamp("lease_until", wire.lease_until)?,
            since: time::required_timestamp("since", wire.since)?,
            changed_at: time::required_timestamp("changed_at", wire.changed_at)?,
            keep_until: time::optional_timestamp("keep_until", wire.keep_until)?,
            answered: wire.answered,
        })
    }
}

fn generation(number: u32) -> Result<u32, Invalid> {
    if number == 0 { Err(Invalid::new("generation", number, "a number from 1")) } else { Ok(number) }
}

impl From<LateEvidence> for v1::LateEvidence {
    fn from(evidence: LateEvidence) -> Self {
        Self {
            token: evidence.token,
            at: Some(time::timestamp(evidence.at)),
            result: Some(evidence.result.into()),
        }
    }
}

impl TryFrom<v1::LateEvidence> for LateEvidence {
    type Error = Invalid;

    fn try_from(wire: v1::LateEvidence) -> Result<Self, Invalid> {
        Ok(Self {
            token: wire.token,
            at: time::required_timestamp("at", wire.at)?,
            result: required("result", wire.result)?,
        })
    }
}

impl From<KeyOp> for change::Op {
    fn from(op: KeyOp) -> Self {
        match op {
            KeyOp::Claim { fingerprint } => Self::Claim(change::Claim { fingerprint }),
            KeyOp::GiveBack => Self::GiveBack(change::GiveBack {}),
            KeyOp::Done { result } => Self::Done(result.into()),
            KeyOp::FailedFinal { failure } => Self::FailedFinal(failure.into()),
            KeyOp::InDoubt => Self::InDoubt(change::InDoubt {}),
            KeyOp::Tombstone => Self::Tombstone(change::Tombstone {}),
            KeyOp::TombstoneShared => Self::TombstoneShared(change::TombstoneShared {}),
            KeyOp::NextGeneration => Self::NextGeneration(change::NextGeneration {}),
            KeyOp::Answered { blob } => Self::Answered(change::Answered { blob: blob.map(Into::into) }),
        }
    }
}

impl TryFrom<change::Op> for KeyOp {
    type Error = Invalid;

    fn try_from(wire: change::Op) -> Result<Self, Invalid> {
        Ok(match wire {
            change::Op::Claim(claim) => {
                Self::Claim { fingerprint: some_text("claim.fingerprint", claim.fingerprint)? }
            }
            change::Op::GiveBack(_) => Self::GiveBack,
            change::Op::Done(result) => Self::Done { result: Payload::try_from(result).within("done")? },
            change::Op::FailedFinal(failure) => {
                Self::FailedFinal { failure: Failure::try_from(failure).within("failed_final")? }
            }
            change::Op::InDoubt(_) => Self::InDoubt,
            change::Op::Tombstone(_) => Self::Tombstone,
            change::Op::TombstoneShared(_) => Self::TombstoneShared,
            change::Op::NextGeneration(_) => Self::NextGeneration,
            change::Op::Answered(answered) => {
                Self::Answered { blob: optional::<_, BlobRef>("answered.blob", answered.blob)? }
            }
        })
    }
}

impl From<KeyChange> for v1::KeyChange {
    fn from(change: KeyChange) -> Self {
        Self {
            key: change.key.as_str().to_owned(),
            generation: change.generation,
            call: change.call.to_string(),
            op: Some(change.op.into()),
        }
    }
}

impl TryFrom<v1::KeyChange> for KeyChange {
    type Error = Invalid;

    fn try_from(wire: v1::KeyChange) -> Result<Self, Invalid> {
        Ok(Self {
            key: read_key("key", wire.key)?,
            generation: generation(wire.generation)?,
            call: text("call", &wire.call)?,
            op: chosen("op", wire.op)?.try_into()?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use holdfast_types::Timestamp;
    use proptest::prelude::*;

    use super::super::call::tests::{any_call, any_call_id};
    use super::super::failure::tests::any_failure;
    use super::super::payload::tests::{any_blob, any_payload};
    use super::*;

    pub(crate) fn any_key() -> impl Strategy<Value = Key> {
        "[a-z]{1,8}/[a-z_]{1,8}/[a-z0-9]{1,8}".prop_map(|text| Key::try_new(text).unwrap())
    }

    pub(crate) fn any_at() -> impl Strategy<Value = Timestamp> {
        any::<i64>().prop_map(Timestamp::from_micros)
    }

    fn any_holder() -> impl Strategy<Value = Holder> {
        prop_oneof![
            any_call().prop_map(|CallRef { task, call }| Holder::Call { task, call }),
            "[a-z]{1,20}".prop_map(Holder::Foreign),
        ]
    }

    fn any_state() -> impl Strategy<Value = KeyState> {
        prop_oneof![
            Just(KeyState::Open),
            any_payload().prop_map(|result| KeyState::Done { result }),
            any_failure().prop_map(|failure| KeyState::FailedFinal { failure }),
            Just(KeyState::InDoubt),
            Just(KeyState::Tombstone),
        ]
    }

    pub(crate) fn any_row() -> impl Strategy<Value = KeyRow> {
        (
            (any_key(), 1u32..9, any_holder(), any::<u64>(), any::<u64>()),
            (any::<u32>(), "[0-9a-f]{64}", any_state(), any::<u32>()),
            (prop::option::of(any_at()), any_at(), any_at(), prop::option::of(any_at())),
        )
            .prop_map(
                |((key, generation, holder, epoch, token), (attempts, fingerprint, state, answered), at)| {
                    KeyRow {
                        key,
                        generation,
                        holder,
                        epoch,
                        token,
                        attempts,
                        fingerprint,
                        state,
                        lease_until: at.0,
                        since: at.1,
                        changed_at: at.2,
                        keep_until: at.3,
                        answered,
                    }
                },
            )
    }

    pub(crate) fn any_change() -> impl Strategy<Value = KeyChange> {
        let op = prop_oneof![
            "[0-9a-f]{64}".prop_map(|fingerprint| KeyOp::Claim { fingerprint }),
            Just(KeyOp::GiveBack),
            any_payload().prop_map(|result| KeyOp::Done { result }),
            any_failure().prop_map(|failure| KeyOp::FailedFinal { failure }),
            Just(KeyOp::InDoubt),
            Just(KeyOp::Tombstone),
            Just(KeyOp::TombstoneShared),
            Just(KeyOp::NextGeneration),
            prop::option::of(any_blob()).prop_map(|blob| KeyOp::Answered { blob }),
        ];
        (any_key(), 1u32..9, any_call_id(), op).prop_map(|(key, generation, call, op)| KeyChange {
            key,
            generation,
            call,
            op,
        })
    }

    proptest! {
        #[test]
        fn rows_round_trip(row in any_row()) {
            prop_assert_eq!(KeyRow::try_from(v1::KeyRow::from(row.clone())).unwrap(), row);
        }

        #[test]
        fn changes_round_trip(change in any_change()) {
            prop_assert_eq!(KeyChange::try_from(v1::KeyChange::from(change.clone())).unwrap(), change);
        }

        #[test]
        fn evidence_round_trips(token in any::<u64>(), at in any_at(), result in any_payload()) {
            let evidence = LateEvidence { token, at, result };
            prop_assert_eq!(LateEvidence::try_from(v1::LateEvidence::from(evidence.clone())).unwrap(), evidence);
        }
    }

    #[test]
    fn a_wrong_key_is_refused_without_being_shown() {
        let error = read_key("key", "card 4711".into()).unwrap_err();
        assert_eq!(error.path, "key");
        assert!(!error.to_string().contains("4711"));
    }

    #[test]
    fn errors_name_the_field() {
        let wire = v1::KeyChange { key: "a".into(), generation: 0, call: "a".into(), op: None };
        assert_eq!(KeyChange::try_from(wire.clone()).unwrap_err().path, "generation");
        let wire = v1::KeyChange { generation: 1, ..wire };
        assert_eq!(KeyChange::try_from(wire.clone()).unwrap_err().path, "op");
        let op = Some(change::Op::Done(v1::Payload::default()));
        assert_eq!(KeyChange::try_from(v1::KeyChange { op, ..wire }).unwrap_err().path, "done.content");
        let long = v1::Holder { holder: Some(WireHolder::Foreign("x".repeat(201))) };
        assert_eq!(Holder::try_from(long).unwrap_err().path, "foreign");
    }
}
