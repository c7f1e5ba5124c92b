//! Calls by their full name.

use holdfast_types::worker::{CallRef, Recorded};

use super::Invalid;
use super::fields::{required, text};
use crate::v1;

impl From<CallRef> for v1::CallRef {
    fn from(call: CallRef) -> Self {
        Self { task_id: call.task.to_string(), call: call.call.to_string() }
    }
}

impl TryFrom<v1::CallRef> for CallRef {
    type Error = Invalid;

    fn try_from(wire: v1::CallRef) -> Result<Self, Invalid> {
        Ok(Self { task: text("task_id", &wire.task_id)?, call: text("call", &wire.call)? })
    }
}

impl From<Recorded> for v1::ack_request::Recorded {
    fn from(recorded: Recorded) -> Self {
        Self { call: Some(recorded.call.into()), attempt: recorded.attempt, epoch: recorded.epoch }
    }
}

impl TryFrom<v1::ack_request::Recorded> for Recorded {
    type Error = Invalid;

    fn try_from(wire: v1::ack_request::Recorded) -> Result<Self, Invalid> {
        Ok(Self { call: required("call", wire.call)?, attempt: wire.attempt, epoch: wire.epoch })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use holdfast_types::call::{CallId, Direction, Variant};
    use holdfast_types::{StepId, TaskId};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_task_id() -> impl Strategy<Value = TaskId> {
        (0u64..1 << 48, any::<[u8; 10]>()).prop_map(|(millis, random)| TaskId::new(millis, random))
    }

    pub(crate) fn any_call_id() -> impl Strategy<Value = CallId> {
        (
            "[a-z][a-z0-9_]{0,20}",
            prop::option::of(0u32..100_000),
            prop::option::of(0u16..9),
            any::<bool>(),
            1u32..5,
        )
            .prop_map(|(step, index, fallback, undo, generation)| CallId {
                step: StepId::try_new(&step).unwrap(),
                index,
                variant: fallback.map_or(Variant::Primary, Variant::Fallback),
                direction: if undo { Direction::Undo } else { Direction::Forward },
                generation,
            })
    }

    pub(crate) fn any_call() -> impl Strategy<Value = CallRef> {
        (any_task_id(), any_call_id()).prop_map(|(task, call)| CallRef { task, call })
    }

    proptest! {
        #[test]
        fn calls_round_trip(call in any_call()) {
            prop_assert_eq!(CallRef::try_from(v1::CallRef::from(call.clone())).unwrap(), call);
        }

        #[test]
        fn recorded_calls_round_trip(call in any_call(), attempt: u32, epoch: u64) {
            let recorded = Recorded { call, attempt, epoch };
            let wire = v1::ack_request::Recorded::from(recorded.clone());
            prop_assert_eq!(Recorded::try_from(wire).unwrap(), recorded);
        }
    }

    #[test]
    fn the_path_says_which_part_is_wrong() {
        let task = TaskId::new(1, [0; 10]).to_string();
        let bad = v1::CallRef { task_id: "worker_1".into(), call: "a".into() };
        assert_eq!(CallRef::try_from(bad).unwrap_err().path, "task_id");
        let bad = v1::CallRef { task_id: task, call: "A[".into() };
        assert_eq!(CallRef::try_from(bad).unwrap_err().path, "call");
    }
}
