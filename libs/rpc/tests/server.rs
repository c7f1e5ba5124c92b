//! The server's bootstrap on real sockets: reflection, health, deadlines, the gate, and a graceful end.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Script, a_call, serve, worker, worker_on};
use futures::StreamExt;
use holdfast_proto::v1;
use holdfast_proto::v1::worker_service_client::WorkerServiceClient;
use holdfast_proto::v1::worker_service_server::WorkerServiceServer;
use holdfast_rpc::Server;
use holdfast_rpc::client::{Channel, Config as ClientConfig, Health, health};
use holdfast_rpc::clients::Replicas;
use holdfast_rpc::server::{Config, Forward, Gate, Readiness};
use holdfast_rpc::status::{Problem, Sent, to_failure};
use holdfast_types::worker::ExecuteEvent;
use holdfast_types::{Effect, Reason};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const WORKER: &str = "holdfast.v1.WorkerService";

fn channel(address: impl std::fmt::Display) -> Channel {
    Channel::new(&address.to_string(), ClientConfig::default())
}

fn replicas<const N: usize>(addresses: [std::net::SocketAddr; N]) -> Replicas {
    Replicas::new(addresses.map(|address| address.to_string()), &ClientConfig::default())
}

#[tokio::test]
async fn reflection_lists_the_api_in_both_versions() {
    use tonic_reflection::pb::{v1, v1alpha};

    let (server, _) = worker(Script::Silence).await;
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel(server.address));
    let mut answers =
        client.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(services) = answer else {
        panic!("not a list: {answer:?}")
    };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    for name in
        ["OrchestratorService", "WorkerService", "IdempotencyService", "CheckpointService", "HealthService"]
    {
        assert!(names.contains(&format!("holdfast.v1.{name}")), "{name} is not in {names:?}");
    }

    let file = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(WORKER.into());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(file) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel(server.address));
    let mut answers =
        client.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(
        answer,
        v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files)
            if !files.file_descriptor_proto.is_empty()
    ));
    server.die().await;
}

#[tokio::test]
async fn health_is_told_and_its_end_is_told_to_watchers() {
    let (mut server, _) = worker(Script::Silence).await;
    let mut client = HealthClient::new(channel(server.address));
    for service in ["", WORKER] {
        let answer = client.check(HealthCheckRequest { service: service.into() }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
    }
    let whole = health(&channel(server.address), Duration::from_secs(60)).await.unwrap();
    assert_eq!(whole, Health::Serving);
    let unknown = client.check(HealthCheckRequest { service: "nobody".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut watch = client.watch(HealthCheckRequest { service: WORKER.into() }).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.drain();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop((watch, client));
    server.ended().await;
}

#[tokio::test]
async fn a_server_that_can_not_serve_says_so_and_says_when_it_can_again() {
    let (ready, readiness) = tokio::sync::watch::channel(Readiness::NotReady);
    let server = Server::new(Config::default()).ready_while(readiness);
    let (server, _) = worker_on(server, Script::Silence).await;
    let channel = channel(server.address);
    let mut client = HealthClient::new(channel.clone());
    let mut watch = client.watch(HealthCheckRequest { service: WORKER.into() }).await.unwrap().into_inner();
    let mut told = async || watch.next().await.unwrap().unwrap().status();
    while told().await != ServingStatus::NotServing {}
    let whole = health(&channel, Duration::from_secs(60)).await.unwrap();
    assert_ne!(whole, Health::Serving);
    ready.send_replace(Readiness::Ready);
    assert_eq!(told().await, ServingStatus::Serving);
    ready.send_replace(Readiness::NotReady);
    assert_eq!(told().await, ServingStatus::NotServing);
    drop(ready);
    server.die().await;
}

#[tokio::test]
async fn a_malformed_timeout_is_refused_and_a_short_one_is_kept() {
    let (server, _) = worker(Script::Silence).await;
    let mut client = WorkerServiceClient::new(channel(server.address));
    let mut request = Request::new(v1::ExecuteRequest::from(a_call()));
    request.metadata_mut().insert("grpc-timeout", "5x".parse().unwrap());
    assert_eq!(client.execute(request).await.unwrap_err().code(), Code::InvalidArgument);

    let mut request = Request::new(v1::ExecuteRequest::from(a_call()));
    request.metadata_mut().insert("grpc-timeout", "30m".parse().unwrap());
    let status = client.execute(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let failure = to_failure(&status, Sent::Maybe);
    assert_eq!((failure.effect, failure.reason), (Effect::Unknown, Reason::AttemptTimeout));
    server.die().await;
}

#[tokio::test]
async fn a_deadline_ends_a_stream_that_has_begun() {
    let (server, _) = worker(Script::SayAndHang(vec![ExecuteEvent::Heartbeat(None)])).await;
    let mut client = WorkerServiceClient::new(channel(server.address));
    let mut request = Request::new(v1::ExecuteRequest::from(a_call()));
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let mut stream = client.execute(request).await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    server.die().await;
}

#[tokio::test]
async fn without_a_timeout_the_servers_own_holds() {
    let config = Config { default_deadline: Duration::from_millis(50), ..Config::default() };
    let scripted = crate::common::Scripted { script: Script::Silence, seen: Arc::default() };
    let server = serve(Server::new(config).add(WorkerServiceServer::new(scripted))).await;
    let mut client = WorkerServiceClient::new(channel(server.address));
    let status = client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    server.die().await;
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let (server, _) = worker(Script::Silence).await;
    let mut client = v1::health_service_client::HealthServiceClient::new(channel(server.address));
    let status = client.get(v1::HealthServiceGetRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(to_failure(&status, Sent::Maybe).effect, Effect::NotExecuted);
    server.die().await;
}

struct Nobody;

impl Gate for Nobody {
    fn admit(&self, call: &mut http::request::Parts) -> Result<(), Status> {
        match call.headers.contains_key("authorization") {
            true => Ok(()),
            false => {
                Err(Problem::refused(Code::Unauthenticated, "UNAUTHENTICATED", "a token is needed").into())
            }
        }
    }
}

#[tokio::test]
async fn the_gate_stands_before_every_service() {
    let scripted = crate::common::Scripted { script: Script::Silence, seen: Arc::default() };
    let server =
        Server::new(Config::default()).add(WorkerServiceServer::new(scripted)).behind(Arc::new(Nobody));
    let server = serve(server).await;
    let mut client = WorkerServiceClient::new(channel(server.address));
    let status = client.check(v1::CheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let mut request = Request::new(v1::CheckRequest::default());
    request.metadata_mut().insert("authorization", "Bearer x".parse().unwrap());
    client.check(request).await.unwrap();
    let mut health = HealthClient::new(channel(server.address));
    assert_eq!(health.check(HealthCheckRequest::default()).await.unwrap_err().code(), Code::Unauthenticated);
    server.die().await;
}

#[tokio::test]
async fn calls_under_way_end_before_the_server_and_later_ones_are_not_taken() {
    let (mut server, _) = worker(Script::SayAndHang(vec![ExecuteEvent::Heartbeat(None)])).await;
    let address = server.address;
    let mut client = WorkerServiceClient::new(channel(address));
    let mut stream = client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    server.drain();
    // The listener is closed while the stream goes on.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    drop(client);
    server.ended().await;
}

#[tokio::test]
async fn a_hundred_calls_share_one_connection() {
    let (server, seen) = worker(Script::Say(vec![ExecuteEvent::Heartbeat(None)])).await;
    let client = WorkerServiceClient::new(channel(server.address));
    let call = |_| {
        let mut client = client.clone();
        async move { client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap().into_inner().count().await }
    };
    let counts = futures::future::join_all((0..100).map(call)).await;
    assert!(counts.iter().all(|count| *count == 1));
    assert_eq!(seen.lock().unwrap().len(), 100);
    server.die().await;
}

#[tokio::test]
async fn a_service_of_another_process_is_answered_for() {
    let (behind, _) = worker(Script::Say(vec![ExecuteEvent::Heartbeat(None)])).await;
    let forward = Forward::<WorkerServiceServer<()>>::new(replicas([behind.address]));
    let front = serve(Server::new(Config::default()).add(forward)).await;

    let mut client = WorkerServiceClient::new(channel(front.address));
    client.describe(v1::DescribeRequest {}).await.unwrap();
    let stream = client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap().into_inner();
    assert_eq!(stream.filter_map(|said| async { said.ok() }).count().await, 1, "streams go through too");

    behind.die().await;
    let away = client.describe(v1::DescribeRequest {}).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    front.die().await;
}

#[tokio::test]
async fn what_is_forwarded_goes_to_a_replica_that_can_be_reached() {
    let (first, _) = worker(Script::Silence).await;
    let (second, _) = worker(Script::Silence).await;
    let forward = Forward::<WorkerServiceServer<()>>::new(replicas([first.address, second.address]));
    let front = serve(Server::new(Config::default()).add(forward)).await;
    let mut client = WorkerServiceClient::new(channel(front.address));
    client.describe(v1::DescribeRequest {}).await.unwrap();
    first.die().await;
    // The one under way may be lost with its connection; from then on the other answers.
    let _ = client.describe(v1::DescribeRequest {}).await;
    client.describe(v1::DescribeRequest {}).await.unwrap();
    second.die().await;
    let _ = client.describe(v1::DescribeRequest {}).await;
    assert_eq!(client.describe(v1::DescribeRequest {}).await.unwrap_err().code(), Code::Unavailable);
    front.die().await;
}
