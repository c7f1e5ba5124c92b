//! The service over a real socket, on a real store with a clock that a test moves.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast_idempotency::{Config, Deps, Idempotency};
use holdfast_ports::Keys;
use holdfast_proto::convert::time::duration;
use holdfast_proto::v1;
use holdfast_proto::v1::begin_answer::Answer;
use holdfast_proto::v1::idempotency_service_client::IdempotencyServiceClient;
use holdfast_rpc::Server;
use holdfast_rpc::client::Channel;
use holdfast_store::suite::{Fixture, ManualClock, driven};
use holdfast_store::{Fsync, SqliteConfig, SqliteStore};
use holdfast_telemetry::Metrics;
use holdfast_types::key::KeyOp;
use holdfast_types::{Key, Timestamp};
use tokio::task::JoinHandle;

pub type Client = IdempotencyServiceClient<Channel>;

pub struct World {
    pub client: Client,
    pub store: SqliteStore,
    pub service: Idempotency,
    clock: Arc<AtomicI64>,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000_000));
        let now = clock.clone();
        let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("test.db")) };
        let store =
            SqliteStore::open(config, Arc::new(move || Timestamp::from_micros(now.load(Ordering::SeqCst))))
                .await
                .unwrap();
        let Replica { client, service, server } = Replica::new(Arc::new(store.clone())).await;
        Self { client, store, service, clock, server, _folder: folder }
    }

    pub fn advance(&self, by: Duration) {
        self.clock.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub async fn begin(&self, request: v1::BeginRequest) -> Answer {
        let response = self.client.clone().begin(request).await.unwrap().into_inner();
        assert_eq!(response.durability(), v1::Durability::Index);
        response.answer.unwrap().answer.unwrap()
    }

    /// Begins for a client, and returns its token.
    pub async fn acquire(&self, key: &str, client: &str) -> u64 {
        match self.begin(begin(key, client)).await {
            Answer::Acquired(acquired) => acquired.token,
            other => unreachable!("not acquired: {other:?}"),
        }
    }
}

/// The service over a key table, on a socket of its own.
pub struct Replica {
    pub client: Client,
    pub service: Idempotency,
    pub server: JoinHandle<()>,
}

impl Replica {
    pub async fn new(keys: Arc<dyn Keys>) -> Self {
        Self::measured(keys, Metrics::no_op()).await
    }

    pub async fn measured(keys: Arc<dyn Keys>, metrics: Arc<Metrics>) -> Self {
        let service = Idempotency::new(Config::default(), Deps { keys, metrics });
        let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(holdfast_rpc::server::Config::default()).add(service.grpc());
        let server =
            tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
        let channel = Channel::new(&address.to_string(), holdfast_rpc::client::Config::default());
        Self { client: Client::new(channel), service, server }
    }
}

/// A task whose call has claimed a key, as an append does.
pub async fn claimed(world: &World, key: &str) -> v1::CallRef {
    let fixture = Fixture::new(world.store.clone(), ManualClock::default(), ());
    let mut driver = driven(&fixture).await;
    let claim = KeyOp::Claim { fingerprint: "a".repeat(64) };
    let append = driver.change(&Key::try_new(key).unwrap(), 1, claim);
    driver.append(&fixture, append).await;
    v1::CallRef { task_id: driver.task.to_string(), call: "charge".into() }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn begin(key: &str, client: &str) -> v1::BeginRequest {
    v1::BeginRequest {
        key: key.into(),
        fingerprint: "a".repeat(64),
        holder: Some(foreign(client)),
        ..Default::default()
    }
}

pub fn waiting(key: &str, client: &str) -> v1::BeginRequest {
    v1::BeginRequest { wait: Some(duration(Duration::from_secs(60))), ..begin(key, client) }
}

pub fn foreign(client: &str) -> v1::Holder {
    v1::Holder { holder: Some(v1::holder::Holder::Foreign(client.into())) }
}

pub fn json(text: &str) -> Option<v1::Payload> {
    Some(v1::Payload { content: Some(v1::payload::Content::Json(text.into())) })
}

pub fn complete(key: &str, token: u64, result: &str) -> v1::CompleteRequest {
    v1::CompleteRequest { key: key.into(), token, result: json(result), ..Default::default() }
}

pub fn failure(outcome: v1::Effect) -> Option<v1::Failure> {
    Some(v1::Failure {
        class: v1::failure::Class::Semantic.into(),
        outcome: outcome.into(),
        reason: "BAD_ARGUMENTS".into(),
        message: "no such card".into(),
        source: v1::failure::Source::Tool.into(),
        ..Default::default()
    })
}
