//! The service over a real socket, on a real store with a clock that a test moves.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use holdfast_checkpoint::{Checkpoint, Config, Deps};
use holdfast_ports::Leases;
use holdfast_proto::v1;
use holdfast_proto::v1::checkpoint_service_client::CheckpointServiceClient;
use holdfast_rpc::Server;
use holdfast_rpc::client::Channel;
use holdfast_runtime::{BootInstant, Clock, SystemClock};
use holdfast_store::suite::{ManualClock, event, ids};
use holdfast_store::{Fsync, SqliteConfig, SqliteStore};
use holdfast_types::journal::{Append, Claimant, Hold, NewEvent, NewTask, Progress, RowUpdate};
use holdfast_types::{Namespace, OwnerId, TaskId, TaskStatus, Timestamp};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

pub type Client = CheckpointServiceClient<Channel>;

/// The longest that anything here may take.
pub const GUARD: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct StoreClock(ManualClock);

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn boot(&self) -> BootInstant {
        SystemClock.boot()
    }
}

pub struct World {
    pub address: String,
    pub client: Client,
    pub channel: Channel,
    pub store: SqliteStore,
    pub service: Checkpoint,
    pub clock: ManualClock,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(service: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let config = SqliteConfig {
            fsync: Fsync::Never,
            poll: Duration::from_millis(100),
            ..SqliteConfig::new(folder.path().join("test.db"))
        };
        let store = SqliteStore::open(config, clock.source()).await.unwrap();
        let service = service_over(&store, &clock, service);
        let (listener, address) = holdfast_rpc::server::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(holdfast_rpc::server::Config::default()).add(service.grpc());
        let server =
            tokio::spawn(async move { server.serve(listener, std::future::pending()).await.unwrap() });
        let address = address.to_string();
        let channel = Channel::new(&address, holdfast_rpc::client::Config::default());
        let client = Client::new(channel.clone());
        Self { address, client, channel, store, service, clock, server, _folder: folder }
    }

    /// Creates a task that nobody drives, with one event.
    pub async fn queued(&self) -> TaskId {
        let task = new_task(self.clock.now());
        let id = task.id;
        self.create(task).await;
        id
    }

    pub async fn create(&self, task: NewTask) -> v1::create_task_response::Answer {
        let request = v1::CreateTaskRequest { task: Some(task.into()) };
        self.client.clone().create_task(request).await.unwrap().into_inner().answer.unwrap()
    }

    /// Creates a task that a fresh instance drives, under epoch 1.
    pub async fn driven(&self) -> (TaskId, OwnerId) {
        let (instance, owner) = (ids::instance(), ids::owner());
        self.store.open(instance).await.unwrap();
        let task = NewTask { claimant: Some(Claimant { instance, owner }), ..new_task(self.clock.now()) };
        let id = task.id;
        self.create(task).await;
        (id, owner)
    }

    pub async fn append(&self, appends: Vec<v1::TaskAppend>) -> Vec<v1::append_result::Result> {
        let answer = self.client.clone().append(v1::AppendRequest { appends }).await.unwrap().into_inner();
        answer.results.into_iter().map(|answer| answer.result.unwrap()).collect()
    }
}

/// The service over a store: several over one are its replicas.
pub fn service_over(store: &SqliteStore, clock: &ManualClock, config: Config) -> Checkpoint {
    let shared = Arc::new(store.clone());
    let deps = Deps {
        journal: shared.clone(),
        tasks: shared.clone(),
        leases: shared.clone(),
        inbox: shared.clone(),
        keys: shared.clone(),
        blobs: shared.clone(),
        checkpoints: shared,
        clock: Arc::new(StoreClock(clock.clone())),
    };
    Checkpoint::new(config, deps)
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn new_task(submitted_at: Timestamp) -> NewTask {
    NewTask {
        id: ids::task(),
        namespace: Namespace::default(),
        name: "trip".into(),
        labels: [("team".to_owned(), "travel".to_owned())].into(),
        digest: "d1".into(),
        events: vec![event("created")],
        submitted_at,
        claimant: None,
        queue_limit: 10_000,
        priority: holdfast_types::Priority::default(),
    }
}

pub fn append((task, owner): (TaskId, OwnerId), expected_seq: u64, events: Vec<NewEvent>) -> v1::TaskAppend {
    Append {
        id: ids::append(),
        task,
        epoch: 1,
        owner,
        expected_seq,
        events,
        keys: Vec::new(),
        last_good: Vec::new(),
        handled: Vec::new(),
        row: RowUpdate { status: TaskStatus::Running, outcome: None, waits_for: None, wake_at: None },
        progress: Progress::Outcome,
        hold: Hold::Keep,
    }
    .into()
}

/// The path of the field that a refusal names.
pub fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    match holdfast_rpc::status::to_port(status, "test") {
        holdfast_ports::Error::Invalid { field, .. } => field,
        other => unreachable!("{other:?}"),
    }
}
