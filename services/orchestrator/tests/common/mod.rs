//! A platform in one process: SQLite in a folder, a worker whose tools do what a test says, and orchestrators.

pub mod breakers;
pub mod faults;
pub mod front;
pub mod front_world;
pub mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use holdfast_engine::event::Finished;
use holdfast_expr::Evaluator;
use holdfast_orchestrator::{
    Config, Deps, HistoryQuery, KeyFront, NoHost, Orchestrator, Submission, WatchItem,
};
use holdfast_plan::{Audience, parse};
use holdfast_ports::{Directory, DirectoryView, Journal, LiveWorker, Result};
use holdfast_runtime::{Clock, Ids, Shutdown, SystemClock, SystemEntropy};
use holdfast_store::{Fsync, SqliteConfig, SqliteStore};
use holdfast_telemetry::{Metrics, TaskTracer};
use holdfast_types::journal::{Append, Appended, Created, EventRow, Fork, Loaded, NewTask, Snapshot};
use holdfast_types::last_good::{LastGood, LastGoodKey};
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Namespace, Priority, SideEffect, TaskId, ToolManifest, ToolName, WorkerId};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

pub use tools::{Reply, Worker};

/// Nothing here takes this long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A journal that counts its appends.
pub struct Counting {
    inner: Arc<dyn Journal>,
    pub appends: AtomicU64,
    pub events: AtomicU64,
}

#[async_trait]
impl Journal for Counting {
    async fn create(&self, task: NewTask) -> Result<Created> {
        self.inner.create(task).await
    }

    async fn fork(&self, fork: Fork) -> Result<Created> {
        self.inner.fork(fork).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(append.events.len() as u64, Ordering::Relaxed);
        self.inner.append(append).await
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        self.inner.load(task).await
    }

    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>> {
        self.inner.events(task, after, limit).await
    }

    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>> {
        self.inner.follow(task, after).await
    }

    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()> {
        self.inner.put_snapshot(task, snapshot).await
    }

    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        self.inner.last_good(key).await
    }
}

/// A directory that a test sets.
pub struct Fixed {
    view: tokio::sync::watch::Sender<Arc<DirectoryView>>,
}

impl Fixed {
    /// Makes another version of it.
    pub fn change(&self, change: impl FnOnce(&mut Vec<LiveWorker>)) {
        let mut view = DirectoryView::clone(&self.view());
        view.version += 1;
        change(&mut view.workers);
        self.view.send_replace(Arc::new(view));
    }
}

#[async_trait]
impl Directory for Fixed {
    fn view(&self) -> Arc<DirectoryView> {
        self.view.borrow().clone()
    }

    async fn changed(&self, version: u64) -> Arc<DirectoryView> {
        let mut receiver = self.view.subscribe();
        let changed = receiver.wait_for(|view| view.version > version).await;
        changed.expect("the directory lives as long as its users").clone()
    }

    async fn report_failed_dial(&self, _worker: WorkerId) -> Result<()> {
        Ok(())
    }
}

/// The platform.
pub struct Platform {
    pub store: SqliteStore,
    pub journal: Arc<Counting>,
    pub worker: Arc<Worker>,
    pub worker_id: WorkerId,
    pub directory: Arc<Fixed>,
    _folder: tempfile::TempDir,
}

/// An orchestrator that runs.
pub struct Running {
    pub orchestrator: Orchestrator,
    pub shutdown: Shutdown,
    task: JoinHandle<()>,
}

pub fn tool(name: &str, class: SideEffect) -> ToolManifest {
    let mut manifest = ToolManifest::new(ToolName::try_new(name).unwrap(), json!({"type": "object"}));
    manifest.side_effect = class;
    manifest.retry.base = Duration::from_millis(1);
    manifest.retry.cap = Duration::from_millis(2);
    manifest.settles_within = Some(Duration::from_millis(10));
    manifest
}

impl Platform {
    pub async fn new() -> Self {
        Self::with_tools(vec![
            tool("look", SideEffect::ReadOnly),
            tool("put", SideEffect::Idempotent),
            tool("book", SideEffect::Verifiable),
            tool("pay", SideEffect::Unsafe),
            tool("undo", SideEffect::Idempotent),
        ])
        .await
    }

    pub async fn with_lease(lease: Duration) -> Self {
        Self::build(vec![tool("pay", SideEffect::Unsafe)], lease).await
    }

    pub async fn with_tools(tools: Vec<ToolManifest>) -> Self {
        Self::build(tools, Duration::from_secs(10)).await
    }

    async fn build(tools: Vec<ToolManifest>, lease: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = SqliteConfig::new(folder.path().join("holdfast.db"));
        config.fsync = Fsync::Never;
        config.lease = lease;
        let clock = Arc::new(|| SystemClock.now());
        let store = SqliteStore::open(config, clock).await.unwrap();
        let journal = Arc::new(Counting {
            inner: Arc::new(store.clone()),
            appends: AtomicU64::new(0),
            events: AtomicU64::new(0),
        });
        let worker = Arc::new(Worker::default());
        let worker_id = Ids::system().worker();
        let info = WorkerInfo { id: worker_id, address: "here:0".into(), slots: 25, tools };
        let live = LiveWorker {
            info: Arc::new(info),
            proven_at: SystemClock.now(),
            standing: holdfast_ports::Standing::Taking,
            tools: Arc::clone(&worker) as _,
        };
        let view = Arc::new(DirectoryView { version: 1, workers: vec![live] });
        let directory = Arc::new(Fixed { view: tokio::sync::watch::Sender::new(view) });
        Self { store, journal, worker, worker_id, directory, _folder: folder }
    }

    pub fn deps(&self) -> Deps {
        let store = Arc::new(self.store.clone());
        Deps {
            journal: Arc::clone(&self.journal) as _,
            tasks: Arc::clone(&store) as _,
            inbox: Arc::clone(&store) as _,
            leases: Arc::clone(&store) as _,
            keys: Arc::clone(&store) as _,
            front: KeyFront::None,
            blobs: store,
            directory: Arc::clone(&self.directory) as _,
            breakers: Arc::new(breakers::Owner::away()),
            host: Arc::new(NoHost),
            evaluator: Evaluator::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            ids: Ids::system(),
            metrics: Metrics::no_op(),
            tracer: TaskTracer::no_op(),
        }
    }

    /// Starts an orchestrator, and waits until it has a session.
    pub async fn start(&self) -> Running {
        self.start_with(Config::default(), self.deps()).await
    }

    pub async fn start_with(&self, config: Config, deps: Deps) -> Running {
        let orchestrator = Orchestrator::new(config, deps);
        let shutdown = Shutdown::new();
        let task = tokio::spawn({
            let (orchestrator, shutdown) = (orchestrator.clone(), shutdown.clone());
            async move { orchestrator.run(shutdown).await.unwrap() }
        });
        Running { orchestrator, shutdown, task }
    }

    /// What the worker says of itself and its place, changed by a test: another version of the directory.
    pub fn change_workers(&self, change: impl FnOnce(&mut Vec<LiveWorker>)) {
        self.directory.change(change);
    }

    /// Ends all sessions, as the next owner of the data folder does.
    pub async fn bury_former_owners(&self) {
        self.store.close_former_sessions().await.unwrap();
    }

    pub fn appends(&self) -> u64 {
        self.journal.appends.load(Ordering::Relaxed)
    }
}

impl Running {
    /// Ends it as a crash does: everything stops where it is.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Ends it as a redeploy does.
    pub async fn stop(self) {
        self.shutdown.drain();
        within(self.task).await.unwrap();
    }

    pub async fn submit(&self, plan: &str) -> TaskId {
        self.submit_with(plan, json!({})).await
    }

    pub async fn submit_with(&self, plan: &str, inputs: Value) -> TaskId {
        let accepted = self.orchestrator.submit(submission(plan, inputs)).await.unwrap();
        assert!(accepted.created);
        accepted.row.id
    }

    /// Waits for a task's end.
    pub async fn end(&self, task: TaskId) -> Finished {
        within(async {
            let mut items = self.orchestrator.watch(task, 0).await.unwrap();
            while let Some(item) = items.next().await {
                if let WatchItem::Outcome { finished, .. } = item.unwrap() {
                    return *finished;
                }
            }
            panic!("the watch ended without an outcome");
        })
        .await
    }

    /// Waits for an event of a kind.
    pub async fn event(&self, task: TaskId, kind: &str) -> EventRow {
        within(async {
            let mut items = self.orchestrator.watch(task, 0).await.unwrap();
            while let Some(item) = items.next().await {
                match item.unwrap() {
                    WatchItem::Event(row) if row.kind == kind => return row,
                    _ => {}
                }
            }
            panic!("no {kind} came");
        })
        .await
    }

    pub async fn kinds(&self, task: TaskId) -> Vec<String> {
        let query = HistoryQuery { after_seq: 0, size: 10_000, kinds: Vec::new() };
        let page = self.orchestrator.history(task, query).await.unwrap();
        page.events.into_iter().map(|row| row.kind).collect()
    }

    pub async fn count(&self, task: TaskId, kind: &str) -> usize {
        self.kinds(task).await.iter().filter(|one| *one == kind).count()
    }
}

pub fn submission(plan: &str, inputs: Value) -> Submission {
    let document = parse("plan.yaml", plan, Audience::Server).unwrap_or_else(|findings| panic!("{findings}"));
    let inputs: Map<String, Value> = inputs.as_object().cloned().unwrap_or_default();
    Submission {
        namespace: Namespace::default(),
        task_id: None,
        document: Arc::new(document),
        inputs,
        labels: BTreeMap::new(),
        priority: Priority::default(),
        deadline: None,
        traceparent: None,
    }
}

/// A chain of steps of one tool, each with the result of the one before.
pub fn chain(steps: usize, tool: &str) -> String {
    let mut plan =
        format!("holdfast: v1\nname: chain\nsteps:\n  - {{ id: s0, tool: {tool}, args: {{ n: 0 }} }}\n");
    for n in 1..steps {
        plan.push_str(&format!(
            "  - id: s{n}\n    tool: {tool}\n    args: {{ n: {n}, before: \"${{steps.s{}.result.of.n}}\" }}\n",
            n - 1
        ));
    }
    plan
}

/// Waits, but not for ever.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

/// Waits until something holds.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    within(async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// All of a journal.
pub fn all() -> HistoryQuery {
    HistoryQuery { after_seq: 0, size: 10_000, kinds: Vec::new() }
}
