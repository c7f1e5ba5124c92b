//! Questions to a tool outside a call: "did key K happen?", and a breaker's trial.

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::no_own_trial;
use holdfast_tool::ToolFailure;
use holdfast_types::manifest::TrialBy;
use holdfast_types::worker::ProbeAnswer;
use holdfast_types::{Class, Effect, Failure, Key, Payload, Reason};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::run::clean;
use crate::secrets::{Given, Secrets};
use crate::toolbox::Hosted;

/// Asks a tool about a key. The answer is scrubbed of the secrets that the tool was given.
pub(crate) async fn probe(
    hosted: &Arc<Hosted>,
    secrets: &Secrets,
    key: &Key,
    mut args: Value,
) -> Result<ProbeAnswer, Failure> {
    let given = secrets.fill(&hosted.manifest.name, &mut args).map_err(|e| asked(e, &Given::default()))?;
    let (tool, key) = (Arc::clone(hosted), key.clone());
    let answer = bounded(hosted.manifest.attempt_timeout, async move { tool.tool.probe(&key, args).await });
    let answer = answer.await.map_err(|failure| asked(failure, &given))?;
    Ok(match answer {
        ProbeAnswer::Done { result: Payload::Json(mut result) } => {
            given.scrub(&mut result);
            ProbeAnswer::Done { result: Payload::Json(result) }
        }
        answer => answer,
    })
}

/// Runs a tool's own trial, where it has one.
pub(crate) async fn trial(hosted: &Arc<Hosted>) -> Result<(), Failure> {
    if hosted.manifest.trial_by != TrialBy::Own {
        return Err(no_own_trial(&hosted.manifest.name));
    }
    let tool = Arc::clone(hosted);
    let tried = bounded(hosted.manifest.attempt_timeout, async move { tool.tool.trial().await });
    let nothing = Given::default();
    tried.await.and_then(|result| result).map_err(|failure| asked(failure, &nothing))
}

/// Runs a question in a task of its own, so that a panic is caught; it is aborted when its time is over.
async fn bounded<T: Send + 'static>(
    limit: Duration,
    question: impl Future<Output = T> + Send + 'static,
) -> Result<T, ToolFailure> {
    let task = AbortOnDropHandle::new(tokio::spawn(question));
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(ToolFailure::new(Class::Crashed, Reason::ToolPanicked, "the tool panicked")),
        Err(_) => {
            Err(ToolFailure::new(Class::Transient, Reason::AttemptTimeout, "the tool did not answer in time"))
        }
    }
}

/// A question has no effect, however it fails.
pub(crate) fn asked(failure: ToolFailure, given: &Given) -> Failure {
    let mut made = Failure::new(failure.class, Effect::NotExecuted, failure.reason, failure.message);
    made.details = failure.details;
    (made.retry_after, made.retry_hint) = (failure.retry_after, failure.retry_hint);
    clean(made, given)
}
