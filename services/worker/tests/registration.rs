//! A worker's place in a directory that is started anew at its address, over real sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::Rig;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_proto::v1::health_service_server::{HealthService, HealthServiceServer};
use holdfast_proto::v1::watch_response::Change;
use holdfast_rpc::Server;
use holdfast_rpc::client::{Channel, Config as ClientConfig};
use holdfast_runtime::Shutdown;
use holdfast_worker::Config;
use holdfast_worker::registration::RemoteRegistrar;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

/// How long a condition is waited for before the test counts as hanging.
const HANG: Duration = Duration::from_secs(20);

/// More than a worker asks in a test: one that asks without end fails it.
const ASKED: usize = 64;

/// What the directory was asked, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Watch,
    Register,
}

/// A directory that takes every worker and wants no renewal within an hour.
#[derive(Clone)]
struct Directory {
    asked: mpsc::Sender<Asked>,
    /// Has the watchers told that they are gone.
    forget: Arc<Notify>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl HealthService for Directory {
    type WatchStream = BoxStream<'static, Result<v1::WatchResponse, Status>>;

    async fn register_worker(
        &self,
        _: Request<v1::RegisterWorkerRequest>,
    ) -> Answer<v1::RegisterWorkerResponse> {
        self.asked.try_send(Asked::Register).unwrap();
        let hour = time::duration(Duration::from_secs(3_600));
        Ok(Response::new(v1::RegisterWorkerResponse { lease: Some(hour), renew_after: Some(hour) }))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        self.asked.try_send(Asked::Watch).unwrap();
        let (worker, forget) = (request.into_inner().worker_id, self.forget.clone());
        let opening = v1::WatchResponse { change: Some(Change::View(v1::View::default())), version: 1 };
        let gone = stream::once(async move {
            forget.notified().await;
            v1::WatchResponse { change: Some(Change::WorkerGone(worker)), version: 2 }
        });
        // It goes on after that: the word counts, not the end of the stream.
        let messages = stream::iter([opening]).chain(gone).chain(stream::pending());
        Ok(Response::new(messages.map(Ok).boxed()))
    }

    async fn report(&self, _: Request<v1::ReportRequest>) -> Answer<v1::ReportResponse> {
        unreachable!("no worker asks this")
    }

    async fn get(&self, _: Request<v1::HealthServiceGetRequest>) -> Answer<v1::HealthServiceGetResponse> {
        unreachable!("no worker asks this")
    }

    async fn describe_for_model(
        &self,
        _: Request<v1::DescribeForModelRequest>,
    ) -> Answer<v1::DescribeForModelResponse> {
        unreachable!("no worker asks this")
    }

    async fn list_breakers(&self, _: Request<v1::ListBreakersRequest>) -> Answer<v1::ListBreakersResponse> {
        unreachable!("no worker asks this")
    }

    async fn force_breaker(&self, _: Request<v1::ForceBreakerRequest>) -> Answer<v1::ForceBreakerResponse> {
        unreachable!("no worker asks this")
    }
}

/// A worker, and the directory at which it registers.
struct World {
    directory: Directory,
    asked: mpsc::Receiver<Asked>,
    shutdown: Shutdown,
    worker: JoinHandle<Result<(), holdfast_worker::Error>>,
}

impl World {
    async fn start(address: String) -> Self {
        let (sender, asked) = mpsc::channel(ASKED);
        let directory = Directory { asked: sender, forget: Arc::default() };
        let rig = Rig::with(Config::default(), |_| {});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registrar = RemoteRegistrar::new(Channel::new(&address, ClientConfig::default()));
        let shutdown = Shutdown::new();
        let server = Server::new(holdfast_rpc::server::Config::default());
        let worker =
            tokio::spawn(rig.worker.run(server, listener, vec![Arc::new(registrar)], shutdown.clone()));
        Self { directory, asked, shutdown, worker }
    }

    /// Waits until the worker has watched and then registered.
    async fn registered(&mut self) {
        for expected in [Asked::Watch, Asked::Register] {
            let asked = tokio::time::timeout(HANG, self.asked.recv()).await;
            assert_eq!(asked.unwrap(), Some(expected));
        }
    }

    async fn end(mut self) {
        self.shutdown.drain();
        self.worker.await.unwrap().unwrap();
        // The goodbye, and nothing besides: what was taken once was asked for once.
        assert_eq!(self.asked.recv().await, Some(Asked::Register));
        assert!(self.asked.try_recv().is_err());
    }
}

/// One life of a directory: its sockets end with it.
fn serve(directory: &Directory, listener: TcpListener) -> JoinHandle<()> {
    let service = HealthServiceServer::new(directory.clone());
    let server = Server::new(holdfast_rpc::server::Config::default()).add(service);
    tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() })
}

#[tokio::test]
async fn a_directory_that_starts_anew_gets_its_worker_back_without_a_renewal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut world = World::start(address.to_string()).await;
    let mut life = serve(&world.directory, listener);
    for _ in 0..3 {
        world.registered().await;
        life.abort();
        assert!(life.await.unwrap_err().is_cancelled());
        life = serve(&world.directory, TcpListener::bind(address).await.unwrap());
    }
    world.registered().await;
    world.end().await;
    life.abort();
}

#[tokio::test]
async fn a_worker_that_was_taken_out_comes_back_without_a_renewal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut world = World::start(listener.local_addr().unwrap().to_string()).await;
    let life = serve(&world.directory, listener);
    world.registered().await;
    world.directory.forget.notify_one();
    world.registered().await;
    world.end().await;
    life.abort();
}
