//! A real collector's side of OTLP, for metrics. One test in this file: logging is set up once a process.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use holdfast_telemetry::{Config, init};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

struct Collector(mpsc::Sender<ExportMetricsServiceRequest>);

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner()).await;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_pushed_under_their_opentelemetry_names() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (exported, mut received) = mpsc::channel(16);
    let collector = tonic::transport::Server::builder()
        .add_service(MetricsServiceServer::new(Collector(exported)))
        .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
    let collector = tokio::spawn(collector);

    let telemetry = init(&Config { otlp_endpoint: Some(endpoint), ..Config::default() }).unwrap();
    telemetry.metrics().replay();
    telemetry.metrics().commit(3, Duration::from_millis(2));
    // The last push comes with the end of the process; the others once a minute.
    telemetry.shutdown().await;

    let request = tokio::time::timeout(Duration::from_secs(30), received.recv()).await.unwrap().unwrap();
    let metrics: Vec<_> = request
        .resource_metrics
        .iter()
        .flat_map(|of| &of.scope_metrics)
        .flat_map(|scope| &scope.metrics)
        .collect();
    for (name, unit) in
        [("holdfast.replays", ""), ("holdfast.store.commit.duration", "s"), ("process.start_time", "s")]
    {
        let found = metrics.iter().find(|metric| metric.name == name);
        assert_eq!(found.map(|metric| metric.unit.as_str()), Some(unit), "{name}");
        assert!(found.is_some_and(|metric| !metric.description.is_empty()), "{name}");
    }
    collector.abort();
}
