//! Closes an attempt of an earlier life (PROTOCOL 1).

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Input;
use holdfast_engine::action::Fence;
use holdfast_engine::event::WorkerLifetime;
use holdfast_engine::input::Fenced;
use holdfast_types::Key;
use holdfast_types::worker::{CallRef, FenceAnswer, Success};

use super::{Claim, Done, evidence};
use crate::payloads::Payloads;
use crate::shared::Shared;

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How long one try may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Asks the worker until it answers, is known dead, or can't begin the attempt any more. Where the attempt may have taken
/// effect and nobody says how it ended, the evidence on its `key` does. Cancel-safe.
pub(super) async fn fence(
    shared: Arc<Shared>,
    payloads: Payloads,
    claim: Claim,
    fence: Fence,
    key: Option<Key>,
) -> Done {
    let answer = close(&shared, claim, &fence).await;
    let answer = match answer {
        Fenced::Answer(FenceAnswer::Interrupted) | Fenced::WorkerDead | Fenced::NotAfterPassed => {
            let found = evidence::of_call(&shared, claim.task, &fence.call, key.as_ref()).await;
            let success = |result| Ok(Success { result, replayed_downstream: false });
            found.map_or(answer, |result| Fenced::Answer(FenceAnswer::Finished(success(result))))
        }
        other => other,
    };
    let answer = match answer {
        Fenced::Answer(FenceAnswer::Finished(Ok(success))) => {
            let result = payloads.keep_result(success.result).await;
            Fenced::Answer(FenceAnswer::Finished(Ok(Success { result, ..success })))
        }
        other => other,
    };
    Done::Answer(Input::Fenced { call: fence.call, attempt: fence.attempt, answer })
}

async fn close(shared: &Shared, claim: Claim, fence: &Fence) -> Fenced {
    let directory = &shared.deps.directory;
    let mut view = directory.view();
    let mut pause = PAUSES.0;
    loop {
        // The folder's lock proves its former owner dead, and the workers that lived in it.
        if fence.lifetime == WorkerLifetime::Host && !shared.deps.host.hosts(fence.worker) {
            return Fenced::WorkerDead;
        }
        if let Some(worker) = view.worker(fence.worker) {
            let call = CallRef { task: claim.task, call: fence.call.clone() };
            let asked = worker.tools.fence(fence.worker, call, claim.epoch);
            match tokio::time::timeout(ANSWER_WITHIN, asked).await {
                Ok(Ok(answer)) => return Fenced::Answer(answer),
                Ok(Err(failure)) => {
                    tracing::warn!(task_id = %claim.task, call = %fence.call, %failure, "fence is not answered");
                }
                Err(_) => {
                    tracing::warn!(task_id = %claim.task, call = %fence.call, "fence is not answered in time")
                }
            }
        }
        let left = fence.not_after.since(shared.deps.clock.now());
        if left.is_zero() {
            return Fenced::NotAfterPassed;
        }
        // A worker that is not there may come back; one that did not answer is asked again soon.
        let wait = if view.worker(fence.worker).is_some() { pause.min(left) } else { left };
        tokio::select! {
            changed = directory.changed(view.version) => view = changed,
            () = tokio::time::sleep(wait) => pause = (pause * 2).min(PAUSES.1),
        }
    }
}
