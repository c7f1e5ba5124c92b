//! One attempt from its place in the queue to its published outcome.

use std::sync::Arc;
use std::time::Duration;

use holdfast_resilience::classify::capped;
use holdfast_tool::{Answer, CallContext, CallFacts, EffectBegins, Host, Stopped, ToolFailure};
use holdfast_types::Failure;
use holdfast_types::worker::Execute;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::calls::{Attempt, Cause, Ended, judge};
use crate::executor::Shared;
use crate::result::{self, Evidence};
use crate::secrets::Given;
use crate::toolbox::Hosted;

/// What is needed to run one attempt.
pub(crate) struct Run {
    pub(crate) shared: Arc<Shared>,
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) execute: Execute,
}

/// The end of a tool's work.
type Work = Result<Answer, ToolFailure>;

impl Run {
    /// Runs the attempt and publishes its outcome, whatever happens to its tool.
    pub(crate) async fn complete(self, place: OwnedSemaphorePermit) {
        let Self { shared, attempt, hosted, execute } = self;
        let evidence = Evidence::of(&execute, attempt.facts.class);
        // A task of its own: a tool that panics or blocks its thread harms neither this supervisor nor its timers.
        let work = tokio::spawn(work(
            Arc::clone(&shared),
            Arc::clone(&attempt),
            Arc::clone(&hosted),
            execute,
            place,
        ));
        let ended = supervise(&shared, &attempt, hosted.manifest.heartbeat_timeout, work).await;
        let given = attempt.given();
        let outcome = match judge(ended, &attempt, &hosted.manifest.errors) {
            Ok(mut answer) => {
                given.scrub(&mut answer.result);
                result::keep(&shared, answer, evidence).await
            }
            Err(failure) => Err(clean(failure, &given)),
        };
        if let Err(failure) = &outcome {
            tracing::debug!(
                call = %attempt.facts.call, attempt = attempt.facts.number, tool = %attempt.facts.tool,
                class = %failure.class, effect = %failure.effect, reason = %failure.reason, "attempt failed"
            );
        }
        attempt.publish(outcome);
    }
}

/// Waits for the work, and stops it when its time is over, nobody listens, or the tool is silent for too long.
async fn supervise(
    shared: &Shared,
    attempt: &Attempt,
    heartbeat_timeout: Option<Duration>,
    mut work: JoinHandle<Work>,
) -> Ended {
    let grace = shared.config.reattach_grace;
    let silent = async {
        match heartbeat_timeout {
            Some(limit) => {
                attempt.silent(limit).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = &mut work => return after(ended),
        () = attempt.stopping().cancelled() => {}
        () = tokio::time::sleep_until(attempt.facts.deadline()) => {
            attempt.stop(Cause::Timeout(attempt.facts.timeout));
        }
        () = attempt.abandoned(grace) => {
            attempt.stop(Cause::Abandoned(grace));
        }
        limit = silent => {
            attempt.stop(Cause::Silent(limit));
        }
    }
    match tokio::time::timeout(shared.config.stop_grace, &mut work).await {
        Ok(ended) => after(ended),
        Err(_) => {
            work.abort();
            // One that blocks its thread can't be aborted: it keeps its slot until it has really ended.
            let overdue = shared.metrics.worker_call_overdue();
            tokio::spawn(async move {
                drop(work.await);
                drop(overdue);
            });
            Ended::Aborted
        }
    }
}

fn after(ended: Result<Work, tokio::task::JoinError>) -> Ended {
    match ended {
        Ok(returned) => Ended::Returned(returned),
        Err(error) if error.is_panic() => Ended::Panicked,
        Err(_) => Ended::Aborted,
    }
}

/// The work itself: a slot, the arguments, the gate, the tool. Holds its place until it has really ended.
async fn work(
    shared: Arc<Shared>,
    attempt: Arc<Attempt>,
    hosted: Arc<Hosted>,
    execute: Execute,
    _place: OwnedSemaphorePermit,
) -> Work {
    let queued = shared.metrics.worker_queued();
    let slot = tokio::select! {
        slot = Arc::clone(&shared.slots).acquire_owned() => slot,
        () = attempt.stopping().cancelled() => return Err(stopped(&attempt)),
    };
    let _slot = slot.map_err(|_| stopped(&attempt))?;
    drop(queued);
    let _in_use = shared.metrics.worker_slot_in_use();
    let mut args = result::fetch(&shared, &execute.args).await?;
    attempt.give(shared.secrets.fill(&execute.tool, &mut args)?);
    hosted.check(&args)?;
    match hosted.begins {
        EffectBegins::AtStart => attempt.pass()?,
        EffectBegins::AtCheck if attempt.stopped().is_some() => return Err(stopped(&attempt)),
        EffectBegins::AtCheck => {}
    }
    attempt.started();
    let context = context(&attempt, execute);
    let answer = hosted.tool.call(context, args).await?;
    hosted.check_result(&answer.result)?;
    Ok(answer)
}

fn stopped(attempt: &Attempt) -> ToolFailure {
    let cause = attempt.stopped().map_or(Cause::ShuttingDown, |(cause, _)| cause);
    ToolFailure::from(Stopped { why: cause.to_string() })
}

fn context(attempt: &Arc<Attempt>, execute: Execute) -> CallContext {
    let facts = CallFacts {
        call: execute.call,
        attempt: execute.attempt,
        epoch: execute.epoch,
        namespace: execute.namespace,
        key: execute.key,
        token: execute.token,
        deadline: attempt.facts.deadline(),
    };
    let host: Arc<dyn Host> = Arc::clone(attempt) as Arc<dyn Host>;
    CallContext::new(facts, attempt.stopping().clone(), host)
}

/// Takes secrets and excess out of a failure's texts: a long message keeps its beginning and its end.
pub(crate) fn clean(mut failure: Failure, given: &Given) -> Failure {
    given.scrub_text(&mut failure.message);
    failure.details.values_mut().for_each(|text| given.scrub_text(text));
    failure.message = capped(&failure.message);
    failure
}
