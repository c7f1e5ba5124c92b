//! The tools of one worker, over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{ExecuteStream, Tools};
use holdfast_proto::v1;
use holdfast_proto::v1::worker_service_client::WorkerServiceClient;
use holdfast_types::worker::{CallRef, Execute, FenceAnswer, ProbeAnswer, Recorded};
use holdfast_types::{Class, Failure, Key, Payload, Reason, ToolName, WorkerId};
use serde_json::Value;
use tonic::Status;

use super::execution::{Execution, unreadable};
use super::unary::{request, within};
use crate::client::{self, Channel};
use crate::status::{Sent, is_locked_out, to_failure};

/// How long the answer to a verb that does not wait for a tool is waited for.
const VERB_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// How much longer than the attempt its stream may last: the worker's own verdict on a timeout says whether the
/// effect may have begun, an ended stream does not.
const VERDICT_MARGIN: Duration = Duration::from_secs(2);

/// The tools of a worker at an address.
#[derive(Debug, Clone)]
pub struct RemoteTools {
    worker: WorkerServiceClient<Channel>,
}

impl RemoteTools {
    /// Makes the client of the worker behind `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { worker: WorkerServiceClient::new(channel) }
    }

    fn worker(&self) -> WorkerServiceClient<Channel> {
        self.worker.clone()
    }

    async fn checked(&self, message: v1::CheckRequest, limit: Duration) -> Result<(), Failure> {
        let mut client = self.worker();
        let answer = within(limit, client.check(request(message, limit))).await.map_err(failed)?;
        match answer.failure.map(Failure::try_from).transpose() {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(failure),
            Err(invalid) => Err(unreadable(&invalid)),
        }
    }
}

/// Says whether the worker refused the stream before it looked at the request.
fn was_refused(status: &Status) -> bool {
    matches!(client::Error::behind(status), Some(client::Error::Refused { .. }))
}

fn failed(status: Status) -> Failure {
    let failure = to_failure(&status, Sent::Maybe);
    if is_locked_out(&status) {
        // Between members this is no verdict on the call: this worker can't be reached, and another may be.
        let why = failure.reason.as_str();
        return Failure { class: Class::Transient, reason: Reason::ConnectFailed, ..failure }
            .detail("reason", why);
    }
    failure
}

#[async_trait]
impl Tools for RemoteTools {
    async fn execute(&self, execute: Execute) -> Result<ExecuteStream, Failure> {
        let timeout = execute.timeout.saturating_add(VERDICT_MARGIN);
        let message = v1::ExecuteRequest::from(execute);
        let mut worker = self.worker();
        let sent = within(timeout, worker.execute(request(message.clone(), timeout))).await;
        let messages = match sent {
            // Nobody has looked at it: it costs neither an attempt nor a token, and is sent once more (gRPC A6).
            Err(status) if was_refused(&status) => {
                within(timeout, worker.execute(request(message, timeout))).await
            }
            sent => sent,
        };
        Ok(Box::pin(Execution::new(messages.map_err(failed)?)))
    }

    async fn fence(&self, worker: WorkerId, call: CallRef, epoch: u64) -> Result<FenceAnswer, Failure> {
        let message = v1::FenceRequest {
            worker_id: worker.to_string(),
            call: Some(call.into()),
            epoch,
            not_after: None,
        };
        let mut client = self.worker();
        let answer =
            within(VERB_TIMEOUT, client.fence(request(message, VERB_TIMEOUT))).await.map_err(failed)?;
        FenceAnswer::try_from(answer).map_err(|invalid| unreadable(&invalid))
    }

    async fn cancel(&self, worker: WorkerId, call: CallRef, epoch: u64, reason: &str) -> Result<(), Failure> {
        let message = v1::CancelRequest {
            worker_id: worker.to_string(),
            call: Some(call.into()),
            epoch,
            reason: reason.to_owned(),
        };
        let mut client = self.worker();
        within(VERB_TIMEOUT, client.cancel(request(message, VERB_TIMEOUT))).await.map_err(failed)?;
        Ok(())
    }

    async fn ack(&self, worker: WorkerId, recorded: Vec<Recorded>) -> Result<(), Failure> {
        let recorded = recorded.into_iter().map(Into::into).collect();
        let message = v1::AckRequest { worker_id: worker.to_string(), recorded };
        let mut client = self.worker();
        within(VERB_TIMEOUT, client.ack(request(message, VERB_TIMEOUT))).await.map_err(failed)?;
        Ok(())
    }

    async fn reconcile(
        &self,
        worker: WorkerId,
        tool: &ToolName,
        key: &Key,
        args: &Value,
    ) -> Result<ProbeAnswer, Failure> {
        let message = v1::ReconcileRequest {
            worker_id: worker.to_string(),
            tool: tool.to_string(),
            key: key.as_str().to_owned(),
            args: Some(Payload::Json(args.clone()).into()),
        };
        let mut client = self.worker();
        let probe = client.reconcile(request(message, PROBE_TIMEOUT));
        let answer = within(PROBE_TIMEOUT, probe).await.map_err(failed)?;
        ProbeAnswer::try_from(answer).map_err(|invalid| unreadable(&invalid))
    }

    async fn check(&self, worker: WorkerId) -> Result<(), Failure> {
        let message = v1::CheckRequest { worker_id: worker.to_string(), tool: String::new() };
        self.checked(message, VERB_TIMEOUT).await
    }

    async fn trial(&self, worker: WorkerId, tool: &ToolName) -> Result<(), Failure> {
        let message = v1::CheckRequest { worker_id: worker.to_string(), tool: tool.to_string() };
        self.checked(message, PROBE_TIMEOUT).await
    }
}
