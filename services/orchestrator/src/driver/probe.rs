//! Asks a tool "did key K happen?" (DESIGN section 5).

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Input;
use holdfast_engine::action::Probe;
use holdfast_types::worker::ProbeAnswer;
use holdfast_types::{Class, Effect, Failure, Key, Reason, Source, TaskId};

use super::{Done, evidence};
use crate::payloads::Payloads;
use crate::shared::Shared;

/// How long one probe waits for a worker that hosts the tool; the engine asks again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one worker may think about it.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Asks any worker that hosts the tool, unless the evidence on the call's `key` says it already. Cancel-safe.
pub(super) async fn probe(
    shared: Arc<Shared>,
    payloads: Payloads,
    task: TaskId,
    probe: Probe,
    key: Option<Key>,
) -> Done {
    if let Some(result) = evidence::of_call(&shared, task, &probe.call, key.as_ref()).await {
        let result = payloads.keep_result(result).await;
        return Done::Answer(Input::Probed { call: probe.call, answer: Ok(ProbeAnswer::Done { result }) });
    }
    let asked = tokio::time::timeout(ANSWER_WITHIN, ask(&shared, &payloads, &probe)).await;
    let answer = asked
        .unwrap_or_else(|_| Err(failure(Reason::AttemptTimeout, "no worker answered the probe in time")));
    Done::Answer(Input::Probed { call: probe.call, answer })
}

async fn ask(shared: &Shared, payloads: &Payloads, probe: &Probe) -> Result<ProbeAnswer, Failure> {
    let args = payloads.value(&probe.args).await?;
    let directory = &shared.deps.directory;
    let mut view = directory.view();
    let give_up = tokio::time::sleep(PATIENCE);
    tokio::pin!(give_up);
    loop {
        let mut last = None;
        for worker in view.hosts(&probe.tool) {
            match worker.tools.reconcile(worker.info.id, &probe.tool, &probe.key, &args).await {
                Ok(answer) => return Ok(stored(payloads, answer).await),
                Err(failure) => last = Some(failure),
            }
        }
        if let Some(failure) = last {
            return Err(failure);
        }
        tokio::select! {
            changed = directory.changed(view.version) => view = changed,
            () = &mut give_up => return Err(failure(Reason::ToolGone, "no live worker hosts the tool")),
        }
    }
}

async fn stored(payloads: &Payloads, answer: ProbeAnswer) -> ProbeAnswer {
    match answer {
        ProbeAnswer::Done { result } => ProbeAnswer::Done { result: payloads.keep_result(result).await },
        ProbeAnswer::NotDone | ProbeAnswer::Unknown => answer,
    }
}

fn failure(reason: Reason, message: &str) -> Failure {
    Failure::new(Class::Unavailable, Effect::NotExecuted, reason, message).from_source(Source::Platform)
}
