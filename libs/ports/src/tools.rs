//! The verbs of one worker.

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_types::worker::{CallRef, Execute, ExecuteEvent, FenceAnswer, ProbeAnswer, Recorded};
use holdfast_types::{Class, Effect, Failure, Key, Reason, Source, ToolName, WorkerId};
use serde_json::Value;

/// What a running call says: heartbeats, then exactly one end. A stream that ends without one means that the
/// connection was lost; the work may go on.
pub type ExecuteStream = BoxStream<'static, Result<ExecuteEvent, Failure>>;

/// The verbs of one worker, local or remote. A failure's effect says whether the worker may have got the request.
#[async_trait]
pub trait Tools: Send + Sync {
    /// Starts a call, or attaches to it where it runs or has ended on this worker under the same or a lower epoch.
    ///
    /// # Errors
    /// A [`Failure`] with effect `NOT_EXECUTED` where the worker refused (wrong incarnation, stale epoch, too late,
    /// no free place) or was never reached; `UNKNOWN` where the request may have arrived.
    async fn execute(&self, execute: Execute) -> Result<ExecuteStream, Failure>;

    /// Closes the earlier attempts of a call: lower epochs are refused from now on (PROTOCOL 1).
    async fn fence(&self, worker: WorkerId, call: CallRef, epoch: u64) -> Result<FenceAnswer, Failure>;

    /// Aborts a call's work.
    async fn cancel(&self, worker: WorkerId, call: CallRef, epoch: u64, reason: &str) -> Result<(), Failure>;

    /// Lets the worker forget the results of calls; one that a driver of a higher epoch has taken over is left alone.
    async fn ack(&self, worker: WorkerId, recorded: Vec<Recorded>) -> Result<(), Failure>;

    /// Asks a tool "did key K happen?".
    async fn reconcile(
        &self,
        worker: WorkerId,
        tool: &ToolName,
        key: &Key,
        args: &Value,
    ) -> Result<ProbeAnswer, Failure>;

    /// Asks whether the worker's executor takes work, through its queue.
    async fn check(&self, worker: WorkerId) -> Result<(), Failure>;

    /// Runs a tool's own trial, for a breaker that is half-open.
    ///
    /// # Errors
    /// What the trial found; `UNIMPLEMENTED` where the tool has none; why the worker was not reached.
    async fn trial(&self, _worker: WorkerId, tool: &ToolName) -> Result<(), Failure> {
        Err(no_own_trial(tool))
    }
}

/// What is said of a tool that has no trial of its own.
#[must_use]
pub fn no_own_trial(tool: &ToolName) -> Failure {
    let message = format!("{tool} has no trial of its own");
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::Unimplemented, message);
    failure.from_source(Source::Platform)
}
