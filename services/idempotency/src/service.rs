//! The service as the composing code holds it, and its gRPC face.

use std::sync::Arc;

use holdfast_ports::Keys;
use holdfast_proto::v1;
use holdfast_proto::v1::idempotency_service_server::{IdempotencyService, IdempotencyServiceServer};
use holdfast_rpc::convert;
use holdfast_telemetry::{KeyVerb, Metrics};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{Config, begin, count, list, operator, settle};

/// What the service needs.
#[derive(Clone)]
pub struct Deps {
    /// The key table, which decides.
    pub keys: Arc<dyn Keys>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The idempotency service. Cheap to clone; clones are the same service. It holds no state of its own.
#[derive(Clone)]
pub struct Idempotency {
    pub(crate) config: Arc<Config>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) metrics: Arc<Metrics>,
    /// Ends the waits for other holders.
    pub(crate) ended: CancellationToken,
}

impl Idempotency {
    /// Makes the service.
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        let Deps { keys, metrics } = deps;
        Self { config: Arc::new(config), keys, metrics, ended: CancellationToken::new() }
    }

    /// Returns the gRPC service.
    #[must_use]
    pub fn grpc(&self) -> IdempotencyServiceServer<Self> {
        IdempotencyServiceServer::new(self.clone())
    }

    /// Runs until `shutdown`, then ends the waits for other holders, which would hold a server's drain: who waits is
    /// answered with what is known then.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
        self.ended.cancel();
    }

    /// Which losses the answers survive.
    pub(crate) fn durability(&self) -> v1::Durability {
        convert::durability(self.keys.durability())
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl IdempotencyService for Idempotency {
    async fn begin(&self, request: Request<v1::BeginRequest>) -> Answer<v1::BeginResponse> {
        let answered = begin::begin(self, request.into_inner()).await;
        Ok(Response::new(self.counted(KeyVerb::Begin, answered, count::begun)?))
    }

    async fn extend(&self, request: Request<v1::ExtendRequest>) -> Answer<v1::ExtendResponse> {
        let answered = settle::extend(self, request.into_inner()).await;
        Ok(Response::new(self.counted(KeyVerb::Extend, answered, count::done)?))
    }

    async fn complete(&self, request: Request<v1::CompleteRequest>) -> Answer<v1::CompleteResponse> {
        let answered = settle::complete(self, request.into_inner()).await;
        Ok(Response::new(self.counted(KeyVerb::Complete, answered, count::done)?))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseResponse> {
        let answered = settle::release(self, request.into_inner()).await;
        Ok(Response::new(self.counted(KeyVerb::Release, answered, count::done)?))
    }

    async fn fail_final(&self, request: Request<v1::FailFinalRequest>) -> Answer<v1::FailFinalResponse> {
        let answered = settle::fail_final(self, request.into_inner()).await;
        Ok(Response::new(self.counted(KeyVerb::FailFinal, answered, count::done)?))
    }

    async fn get(
        &self,
        request: Request<v1::IdempotencyServiceGetRequest>,
    ) -> Answer<v1::IdempotencyServiceGetResponse> {
        Ok(Response::new(operator::get(self, request.into_inner()).await?))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListResponse> {
        Ok(Response::new(list::list(self, request.into_inner()).await?))
    }

    async fn forget(&self, request: Request<v1::ForgetRequest>) -> Answer<v1::ForgetResponse> {
        let answered = operator::forget(self, request.into_inner()).await;
        Ok(Response::new(self.counted(KeyVerb::Forget, answered, count::done)?))
    }
}
