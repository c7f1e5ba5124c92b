//! A worker whose answers a test scripts, on a real socket.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use holdfast_proto::v1;
use holdfast_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use holdfast_rpc::Server;
use holdfast_rpc::server::{Config, bind};
use holdfast_types::worker::{CallRef, Execute, ExecuteEvent};
use holdfast_types::{CallId, Key, Namespace, Payload, StepId, TaskId, Timestamp, ToolName, WorkerId};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// What the worker does with an `Execute`.
#[derive(Clone)]
pub enum Script {
    /// Sends these, then ends the stream.
    Say(Vec<ExecuteEvent>),
    /// Sends these, then stays silent.
    SayAndHang(Vec<ExecuteEvent>),
    /// Refuses.
    Refuse(Arc<dyn Fn() -> Status + Send + Sync>),
    /// Never answers.
    Silence,
}

#[derive(Clone)]
pub struct Scripted {
    pub script: Script,
    /// The metadata of every request.
    pub seen: Arc<Mutex<Vec<tonic::metadata::MetadataMap>>>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl WorkerService for Scripted {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        Ok(Response::new(v1::DescribeResponse::default()))
    }

    type ExecuteStream = BoxStream<'static, Result<v1::ExecuteResponse, Status>>;

    async fn execute(&self, request: Request<v1::ExecuteRequest>) -> Answer<Self::ExecuteStream> {
        self.seen.lock().unwrap().push(request.metadata().clone());
        let wire = |event: ExecuteEvent| Ok(v1::ExecuteResponse::from(event));
        match self.script.clone() {
            Script::Say(events) => Ok(Response::new(futures::stream::iter(events).map(wire).boxed())),
            Script::SayAndHang(events) => {
                let said = futures::stream::iter(events).map(wire).chain(futures::stream::pending());
                Ok(Response::new(said.boxed()))
            }
            Script::Refuse(status) => Err(status()),
            Script::Silence => std::future::pending().await,
        }
    }

    async fn fence(&self, _: Request<v1::FenceRequest>) -> Answer<v1::FenceResponse> {
        Ok(Response::new(holdfast_types::worker::FenceAnswer::Running.into()))
    }

    async fn cancel(&self, _: Request<v1::CancelRequest>) -> Answer<v1::CancelResponse> {
        Ok(Response::new(v1::CancelResponse {}))
    }

    async fn ack(&self, _: Request<v1::AckRequest>) -> Answer<v1::AckResponse> {
        Ok(Response::new(v1::AckResponse {}))
    }

    async fn check(&self, _: Request<v1::CheckRequest>) -> Answer<v1::CheckResponse> {
        Ok(Response::new(v1::CheckResponse::default()))
    }

    async fn reconcile(&self, _: Request<v1::ReconcileRequest>) -> Answer<v1::ReconcileResponse> {
        Ok(Response::new(holdfast_types::worker::ProbeAnswer::NotDone.into()))
    }
}

/// A server that runs until its test ends it.
pub struct Running {
    pub address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), holdfast_rpc::server::Error>>,
}

impl Running {
    /// Begins the drain.
    pub fn drain(&mut self) {
        drop(self.end.take());
    }

    /// Waits for the server's end.
    pub async fn ended(self) {
        tokio::time::timeout(Duration::from_secs(20), self.task).await.unwrap().unwrap().unwrap();
    }

    /// Closes everything at once, as a dying process does.
    pub async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub async fn serve(server: Server) -> Running {
    let (listener, address) = bind("127.0.0.1:0").await.unwrap();
    let (end, ended) = oneshot::channel();
    let task = tokio::spawn(server.serve(listener, ended.map(drop)));
    Running { address, end: Some(end), task }
}

/// The metadata of every request that a service has seen.
pub type Seen = Arc<Mutex<Vec<tonic::metadata::MetadataMap>>>;

pub async fn worker(script: Script) -> (Running, Seen) {
    let config = Config { drain: Duration::from_secs(5), ..Config::default() };
    worker_on(Server::new(config), script).await
}

/// The scripted worker on a server with a gate or certificates.
pub async fn worker_on(server: Server, script: Script) -> (Running, Seen) {
    let seen = Seen::default();
    let scripted = Scripted { script, seen: Arc::clone(&seen) };
    (serve(server.add(WorkerServiceServer::new(scripted))).await, seen)
}

pub fn a_call() -> Execute {
    Execute {
        worker: WorkerId::new(1, [1; 10]),
        call: CallRef {
            task: TaskId::new(1, [2; 10]),
            call: CallId::forward(StepId::try_new("charge").unwrap(), None),
        },
        attempt: 1,
        epoch: 1,
        not_after: Timestamp::from_micros(i64::MAX / 2),
        timeout: Duration::from_secs(60),
        namespace: Namespace::default(),
        tool: ToolName::try_new("charge").unwrap(),
        args: Payload::Json(serde_json::json!({"amount": 1})),
        key: Key::try_new("default/charge/task/1").unwrap(),
        token: 0,
        side_effect: None,
    }
}
