//! The gRPC face of a worker: reads messages, asks the executor, writes messages.

use futures::StreamExt;
use futures::stream::BoxStream;
use holdfast_ports::Tools;
use holdfast_proto::convert::fields::{each, required, text};
use holdfast_proto::convert::{self, read_key};
use holdfast_proto::v1::worker_service_server::WorkerService;
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::status::{of_failure, of_invalid};
use holdfast_types::worker::{CallRef, Execute, Recorded};
use holdfast_types::{Failure, Payload, Timestamp, ToolName, WorkerId};
use serde_json::Value;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::executor::Adopt;
use crate::{Executor, Worker};

/// A worker behind gRPC, reachable at an address.
#[derive(Clone)]
pub struct Face {
    worker: Worker,
    address: String,
    started_at: Timestamp,
}

impl Face {
    pub(crate) const fn new(worker: Worker, address: String, started_at: Timestamp) -> Self {
        Self { worker, address, started_at }
    }

    const fn executor(&self) -> &Executor {
        self.worker.executor()
    }

    fn running(&self) -> u32 {
        u32::try_from(self.executor().load().running).unwrap_or(u32::MAX)
    }
}

/// How many calls one `Ack` may name.
const MOST_RECORDED: usize = 1_000;

type Answer<T> = Result<Response<T>, Status>;

fn refused(failure: Failure) -> Status {
    of_failure(&failure)
}

/// The fields that most requests begin with.
fn addressed(worker: &str, call: Option<v1::CallRef>) -> Result<(WorkerId, CallRef), Status> {
    let worker = text("worker_id", worker).map_err(of_invalid)?;
    Ok((worker, required("call", call).map_err(of_invalid)?))
}

fn recorded(wire: Vec<v1::ack_request::Recorded>) -> Result<Vec<Recorded>, Invalid> {
    if wire.len() > MOST_RECORDED {
        return Err(Invalid::new("recorded", wire.len(), format!("at most {MOST_RECORDED} calls")));
    }
    each("recorded", wire)
}

#[tonic::async_trait]
impl WorkerService for Face {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        Ok(Response::new(v1::DescribeResponse {
            worker: Some(self.worker.info(self.address.clone()).into()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots_used: self.running(),
            draining: self.executor().is_draining(),
            started_at: Some(convert::time::timestamp(self.started_at)),
        }))
    }

    type ExecuteStream = BoxStream<'static, Result<v1::ExecuteResponse, Status>>;

    async fn execute(&self, request: Request<v1::ExecuteRequest>) -> Answer<Self::ExecuteStream> {
        let execute = Execute::try_from(request.into_inner()).map_err(of_invalid)?;
        let events = self.executor().execute(execute).await.map_err(refused)?;
        let messages = events.map(|event| event.map(v1::ExecuteResponse::from).map_err(refused));
        Ok(Response::new(messages.boxed()))
    }

    async fn fence(&self, request: Request<v1::FenceRequest>) -> Answer<v1::FenceResponse> {
        let wire = request.into_inner();
        let (worker, call) = addressed(&wire.worker_id, wire.call)?;
        let not_after = convert::time::optional_timestamp("not_after", wire.not_after).map_err(of_invalid)?;
        let fence = self.executor().fence_until(worker, &call, wire.epoch, not_after, Adopt::Running);
        Ok(Response::new(fence.await.map_err(refused)?.into()))
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Answer<v1::CancelResponse> {
        let wire = request.into_inner();
        let (worker, call) = addressed(&wire.worker_id, wire.call)?;
        self.executor().cancel(worker, call, wire.epoch, &wire.reason).await.map_err(refused)?;
        Ok(Response::new(v1::CancelResponse {}))
    }

    async fn ack(&self, request: Request<v1::AckRequest>) -> Answer<v1::AckResponse> {
        let wire = request.into_inner();
        let worker = text("worker_id", &wire.worker_id).map_err(of_invalid)?;
        let recorded = recorded(wire.recorded).map_err(of_invalid)?;
        self.executor().ack(worker, recorded).await.map_err(refused)?;
        Ok(Response::new(v1::AckResponse {}))
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Answer<v1::CheckResponse> {
        let wire = request.into_inner();
        let worker = text("worker_id", &wire.worker_id).map_err(of_invalid)?;
        let asked = Instant::now();
        self.executor().check(worker).await.map_err(refused)?;
        let queued_for = asked.elapsed();
        let failure = match wire.tool.as_str() {
            "" => None,
            tool => {
                let tool = text::<ToolName>("tool", tool).map_err(of_invalid)?;
                self.executor().trial(worker, &tool).await.err()
            }
        };
        Ok(Response::new(v1::CheckResponse {
            queued_for: Some(convert::time::duration(queued_for)),
            slots_used: self.running(),
            draining: self.executor().is_draining(),
            failure: failure.map(Into::into),
        }))
    }

    async fn reconcile(&self, request: Request<v1::ReconcileRequest>) -> Answer<v1::ReconcileResponse> {
        let wire = request.into_inner();
        let worker = text("worker_id", &wire.worker_id).map_err(of_invalid)?;
        let tool: ToolName = text("tool", &wire.tool).map_err(of_invalid)?;
        let key = read_key("key", wire.key).map_err(of_invalid)?;
        let args: Payload = required("args", wire.args).map_err(of_invalid)?;
        let args = self.executor().arguments(&args).await.map_err(refused)?;
        let answer = self.executor().reconcile(worker, &tool, &key, &args).await.map_err(refused)?;
        Ok(Response::new(answer.into()))
    }
}

impl Executor {
    /// Reads arguments that may stand in a blob.
    async fn arguments(&self, args: &Payload) -> Result<Value, Failure> {
        let nothing = crate::secrets::Given::default();
        crate::result::fetch(&self.shared, args)
            .await
            .map_err(|failure| crate::probe::asked(failure, &nothing))
    }
}
