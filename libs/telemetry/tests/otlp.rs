//! A real collector's side of OTLP. One test in this file: logging is set up once a process.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use holdfast_telemetry::{Config, Coordinates, TaskSpan, TaskTrace, init};
use holdfast_types::{TaskId, Timestamp};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

struct Collector(mpsc::Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let _ = self.0.send(request.into_inner()).await;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_reach_a_collector_before_the_process_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (exported, mut received) = mpsc::channel(16);
    let collector = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(exported)))
        .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
    let collector = tokio::spawn(collector);

    let telemetry = init(&Config { otlp_endpoint: Some(endpoint), ..Config::default() }).unwrap();
    let task = TaskId::new(1, [9; 10]);
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    let span =
        TaskSpan::new("task", Coordinates::Task, at, at).attribute("holdfast.task.id", task.to_string());
    telemetry.task_tracer().export(&TaskTrace::new(task, None), span);
    telemetry.shutdown().await;

    let request = tokio::time::timeout(Duration::from_secs(30), received.recv()).await.unwrap().unwrap();
    let resource = &request.resource_spans[0];
    let span = &resource.scope_spans[0].spans[0];
    assert_eq!(span.trace_id, task.bytes());
    assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
    let named = resource.resource.as_ref().unwrap().attributes.iter().any(|pair| pair.key == "service.name");
    assert!(named);
    collector.abort();
}
