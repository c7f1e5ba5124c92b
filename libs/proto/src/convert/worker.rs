//! What orchestrators and workers say to each other.

use holdfast_types::worker::{
    CallOutcome, CallProgress, Execute, ExecuteEvent, FenceAnswer, ProbeAnswer, Success, WorkerInfo,
};
use holdfast_types::{Failure, Payload, SideEffect};

use super::closed::{known_or_none, number_or_zero};
use super::fields::{chosen, each, number, optional, required, some_text, text};
use super::key::read_key;
use super::{Invalid, Within, time};
use crate::v1;
use crate::v1::call_outcome::Outcome;
use crate::v1::execute_response::Event;
use crate::v1::fence_response as fence;
use crate::v1::reconcile_response as reconcile;

impl From<WorkerInfo> for v1::WorkerInfo {
    fn from(info: WorkerInfo) -> Self {
        Self {
            worker_id: info.id.to_string(),
            address: info.address,
            slots: info.slots,
            tools: info.tools.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::WorkerInfo> for WorkerInfo {
    type Error = Invalid;

    fn try_from(wire: v1::WorkerInfo) -> Result<Self, Invalid> {
        if wire.slots == 0 {
            return Err(Invalid::new("slots", 0, "at least 1"));
        }
        Ok(Self {
            id: text("worker_id", &wire.worker_id)?,
            address: some_text("address", wire.address)?,
            slots: wire.slots,
            tools: each("tools", wire.tools)?,
        })
    }
}

impl From<Execute> for v1::ExecuteRequest {
    fn from(execute: Execute) -> Self {
        Self {
            worker_id: execute.worker.to_string(),
            call: Some(execute.call.into()),
            attempt: execute.attempt,
            epoch: execute.epoch,
            not_after: Some(time::timestamp(execute.not_after)),
            timeout: Some(time::duration(execute.timeout)),
            namespace: execute.namespace.to_string(),
            tool: execute.tool.to_string(),
            args: Some(execute.args.into()),
            key: execute.key.as_str().to_owned(),
            token: execute.token,
            side_effect: number_or_zero::<SideEffect, v1::SideEffect>(execute.side_effect),
        }
    }
}

impl TryFrom<v1::ExecuteRequest> for Execute {
    type Error = Invalid;

    fn try_from(wire: v1::ExecuteRequest) -> Result<Self, Invalid> {
        if wire.attempt == 0 {
            return Err(Invalid::new("attempt", 0, "a number from 1"));
        }
        Ok(Self {
            worker: text("worker_id", &wire.worker_id)?,
            call: required("call", wire.call)?,
            attempt: wire.attempt,
            epoch: wire.epoch,
            not_after: time::required_timestamp("not_after", wire.not_after)?,
            timeout: time::required_duration("timeout", wire.timeout)?,
            namespace: text("namespace", &wire.namespace)?,
            tool: text("tool", &wire.tool)?,
            args: required("args", wire.args)?,
            key: read_key("key", wire.key)?,
            token: wire.token,
            side_effect: known_or_none("side_effect", wire.side_effect)?,
        })
    }
}

impl From<CallProgress> for v1::CallProgress {
    fn from(progress: CallProgress) -> Self {
        Self { percent: progress.percent.map(u32::from), note: progress.note }
    }
}

impl TryFrom<v1::CallProgress> for CallProgress {
    type Error = Invalid;

    fn try_from(wire: v1::CallProgress) -> Result<Self, Invalid> {
        let percent = wire.percent.map(|percent| match number("percent", percent)? {
            percent @ 0u8..=100 => Ok(percent),
            percent => Err(Invalid::new("percent", percent, "0 to 100")),
        });
        Ok(Self { percent: percent.transpose()?, note: wire.note })
    }
}

impl From<Success> for v1::Success {
    fn from(success: Success) -> Self {
        Self { result: Some(success.result.into()), replayed_downstream: success.replayed_downstream }
    }
}

impl TryFrom<v1::Success> for Success {
    type Error = Invalid;

    fn try_from(wire: v1::Success) -> Result<Self, Invalid> {
        Ok(Self { result: required("result", wire.result)?, replayed_downstream: wire.replayed_downstream })
    }
}

impl From<CallOutcome> for v1::CallOutcome {
    fn from(outcome: CallOutcome) -> Self {
        let outcome = match outcome {
            Ok(success) => Outcome::Success(success.into()),
            Err(failure) => Outcome::Failure(failure.into()),
        };
        Self { outcome: Some(outcome) }
    }
}

impl TryFrom<v1::CallOutcome> for CallOutcome {
    type Error = Invalid;

    fn try_from(wire: v1::CallOutcome) -> Result<Self, Invalid> {
        Ok(match chosen("outcome", wire.outcome)? {
            Outcome::Success(success) => Ok(Success::try_from(success).within("success")?),
            Outcome::Failure(failure) => Err(Failure::try_from(failure).within("failure")?),
        })
    }
}

impl From<ExecuteEvent> for v1::ExecuteResponse {
    fn from(event: ExecuteEvent) -> Self {
        let event = match event {
            ExecuteEvent::Heartbeat(progress) => {
                Event::Heartbeat(v1::Heartbeat { progress: progress.map(Into::into) })
            }
            ExecuteEvent::Finished(outcome) => Event::Finished(outcome.into()),
        };
        Self { event: Some(event) }
    }
}

impl TryFrom<v1::ExecuteResponse> for ExecuteEvent {
    type Error = Invalid;

    fn try_from(wire: v1::ExecuteResponse) -> Result<Self, Invalid> {
        Ok(match chosen("event", wire.event)? {
            Event::Heartbeat(heartbeat) => {
                Self::Heartbeat(optional("heartbeat.progress", heartbeat.progress)?)
            }
            Event::Finished(outcome) => Self::Finished(CallOutcome::try_from(outcome).within("finished")?),
        })
    }
}

impl From<FenceAnswer> for v1::FenceResponse {
    fn from(answer: FenceAnswer) -> Self {
        let answer = match answer {
            FenceAnswer::NeverSeen => fence::Answer::NeverSeen(fence::NeverSeen {}),
            FenceAnswer::StoppedBeforeEffect => {
                fence::Answer::StoppedBeforeEffect(fence::StoppedBeforeEffect {})
            }
            FenceAnswer::Finished(outcome) => fence::Answer::Finished(outcome.into()),
            FenceAnswer::Running => fence::Answer::Running(fence::Running {}),
            FenceAnswer::Interrupted => fence::Answer::Interrupted(fence::Interrupted {}),
        };
        Self { answer: Some(answer) }
    }
}

impl TryFrom<v1::FenceResponse> for FenceAnswer {
    type Error = Invalid;

    fn try_from(wire: v1::FenceResponse) -> Result<Self, Invalid> {
        Ok(match chosen("answer", wire.answer)? {
            fence::Answer::NeverSeen(_) => Self::NeverSeen,
            fence::Answer::StoppedBeforeEffect(_) => Self::StoppedBeforeEffect,
            fence::Answer::Finished(outcome) => {
                Self::Finished(CallOutcome::try_from(outcome).within("finished")?)
            }
            fence::Answer::Running(_) => Self::Running,
            fence::Answer::Interrupted(_) => Self::Interrupted,
        })
    }
}

impl From<ProbeAnswer> for v1::ReconcileResponse {
    fn from(answer: ProbeAnswer) -> Self {
        let answer = match answer {
            ProbeAnswer::Done { result } => {
                reconcile::Answer::Done(reconcile::Done { result: Some(result.into()) })
            }
            ProbeAnswer::NotDone => reconcile::Answer::NotDone(reconcile::NotDone {}),
            ProbeAnswer::Unknown => reconcile::Answer::Unknown(reconcile::Unknown {}),
        };
        Self { answer: Some(answer) }
    }
}

impl TryFrom<v1::ReconcileResponse> for ProbeAnswer {
    type Error = Invalid;

    fn try_from(wire: v1::ReconcileResponse) -> Result<Self, Invalid> {
        Ok(match chosen("answer", wire.answer)? {
            reconcile::Answer::Done(done) => {
                Self::Done { result: required::<_, Payload>("done.result", done.result)? }
            }
            reconcile::Answer::NotDone(_) => Self::NotDone,
            reconcile::Answer::Unknown(_) => Self::Unknown,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use holdfast_types::{Namespace, ToolName, WorkerId};
    use proptest::prelude::*;

    use super::super::call::tests::any_call;
    use super::super::failure::tests::any_failure;
    use super::super::key::tests::{any_at, any_key};
    use super::super::manifest::tests::any_manifest;
    use super::super::payload::tests::any_payload;
    use super::*;

    fn any_outcome() -> impl Strategy<Value = CallOutcome> {
        prop_oneof![
            (any_payload(), any::<bool>())
                .prop_map(|(result, replayed_downstream)| Ok(Success { result, replayed_downstream })),
            any_failure().prop_map(Err),
        ]
    }

    fn any_event() -> impl Strategy<Value = ExecuteEvent> {
        let progress = (prop::option::of(0u8..=100), "\\PC{0,9}")
            .prop_map(|(percent, note)| CallProgress { percent, note });
        prop_oneof![
            prop::option::of(progress).prop_map(ExecuteEvent::Heartbeat),
            any_outcome().prop_map(ExecuteEvent::Finished),
        ]
    }

    proptest! {
        #[test]
        fn requests_round_trip(
            (call, attempt, epoch) in (any_call(), 1u32..9, any::<u64>()),
            (not_after, timeout) in (any_at(), 0u64..1 << 40),
            (args, key, token) in (any_payload(), any_key(), any::<u64>()),
            side_effect in prop::option::of(prop::sample::select(SideEffect::ALL)),
        ) {
            let execute = Execute {
                worker: WorkerId::new(epoch >> 16, [3; 10]),
                call,
                attempt,
                epoch,
                not_after,
                timeout: Duration::from_micros(timeout),
                namespace: Namespace::default(),
                tool: ToolName::try_new("charge").unwrap(),
                args,
                key,
                token,
                side_effect,
            };
            prop_assert_eq!(Execute::try_from(v1::ExecuteRequest::from(execute.clone())).unwrap(), execute);
        }

        #[test]
        fn events_round_trip(event in any_event()) {
            prop_assert_eq!(ExecuteEvent::try_from(v1::ExecuteResponse::from(event.clone())).unwrap(), event);
        }

        #[test]
        fn fence_answers_round_trip(outcome in any_outcome(), which in 0usize..5) {
            let answer = match which {
                0 => FenceAnswer::NeverSeen,
                1 => FenceAnswer::StoppedBeforeEffect,
                2 => FenceAnswer::Finished(outcome),
                3 => FenceAnswer::Running,
                _ => FenceAnswer::Interrupted,
            };
            prop_assert_eq!(FenceAnswer::try_from(v1::FenceResponse::from(answer.clone())).unwrap(), answer);
        }

        #[test]
        fn probe_answers_round_trip(result in any_payload(), which in 0usize..3) {
            let answer = match which {
                0 => ProbeAnswer::Done { result },
                1 => ProbeAnswer::NotDone,
                _ => ProbeAnswer::Unknown,
            };
            prop_assert_eq!(ProbeAnswer::try_from(v1::ReconcileResponse::from(answer.clone())).unwrap(), answer);
        }

        #[test]
        fn workers_round_trip(tools in prop::collection::vec(any_manifest(), 0..2), slots in 1u32..99) {
            let info = WorkerInfo { id: WorkerId::new(7, [1; 10]), address: "a:1".into(), slots, tools };
            prop_assert_eq!(WorkerInfo::try_from(v1::WorkerInfo::from(info.clone())).unwrap(), info);
        }
    }

    #[test]
    fn errors_name_the_field() {
        let error = CallProgress::try_from(v1::CallProgress { percent: Some(101), note: String::new() });
        assert_eq!(error.unwrap_err().path, "percent");
        let outcome = v1::CallOutcome { outcome: Some(Outcome::Success(v1::Success::default())) };
        let response = v1::ExecuteResponse { event: Some(Event::Finished(outcome)) };
        assert_eq!(ExecuteEvent::try_from(response).unwrap_err().path, "finished.success.result");
        let request = v1::ExecuteRequest { attempt: 1, ..Default::default() };
        assert_eq!(Execute::try_from(request).unwrap_err().path, "worker_id");
    }
}
