//! The gRPC face: one file a verb.

mod breakers;
mod describe;
mod register;
pub(crate) mod report;
mod view;
mod watch;
mod watch_worker;

use futures::stream::BoxStream;
use holdfast_proto::convert::fields;
use holdfast_proto::v1;
use holdfast_proto::v1::health_service_server::HealthService;
use holdfast_rpc::status::of_invalid;
use tonic::{Request, Response, Status};

use crate::Health;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl HealthService for Health {
    async fn register_worker(
        &self,
        request: Request<v1::RegisterWorkerRequest>,
    ) -> Answer<v1::RegisterWorkerResponse> {
        register::register(self, request.into_inner()).await.map(Response::new)
    }

    type WatchStream = BoxStream<'static, Result<v1::WatchResponse, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        let request = request.get_ref();
        let worker = fields::text_or_none("worker_id", &request.worker_id).map_err(of_invalid)?;
        let instance = fields::text_or_none("instance_id", &request.instance_id).map_err(of_invalid)?;
        Ok(Response::new(match worker {
            Some(worker) => watch_worker::watch(self, worker),
            None => watch::watch(self, instance),
        }))
    }

    async fn report(&self, request: Request<v1::ReportRequest>) -> Answer<v1::ReportResponse> {
        report::report(self, request.into_inner()).map(Response::new)
    }

    async fn get(
        &self,
        request: Request<v1::HealthServiceGetRequest>,
    ) -> Answer<v1::HealthServiceGetResponse> {
        view::get(self, request.into_inner()).map(Response::new)
    }

    async fn describe_for_model(
        &self,
        request: Request<v1::DescribeForModelRequest>,
    ) -> Answer<v1::DescribeForModelResponse> {
        describe::describe(self, request.into_inner()).map(Response::new)
    }

    async fn list_breakers(
        &self,
        request: Request<v1::ListBreakersRequest>,
    ) -> Answer<v1::ListBreakersResponse> {
        Ok(Response::new(breakers::list(self, &request.into_inner())))
    }

    async fn force_breaker(
        &self,
        request: Request<v1::ForceBreakerRequest>,
    ) -> Answer<v1::ForceBreakerResponse> {
        breakers::force(self, request.into_inner()).await.map(Response::new)
    }
}
