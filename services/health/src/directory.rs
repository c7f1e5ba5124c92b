//! The directory: registrations, the keepers behind them, and the view that all read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use holdfast_ports::{DirectoryView, Tools};
use holdfast_resilience::outlier::{Blame, Ending};
use holdfast_runtime::Clock;
use holdfast_telemetry::Metrics;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Class, Effect, Failure, Reason, Timestamp, ToolName, WorkerId};
use tokio::sync::{Notify, watch};

use crate::ejections::Ejections;
use crate::keeper::{Keeper, Lease};
use crate::registry::{Change, Check, Registry};
use crate::{Config, Error};

/// Makes the way to call a worker: a gRPC client of its address, or the worker itself where it is in this process.
pub type Dial = Arc<dyn Fn(&WorkerInfo) -> Arc<dyn Tools> + Send + Sync>;

/// What every part of the service shares.
pub(crate) struct Directory {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    dial: Dial,
    // A std mutex: held to look and to change, never across an await.
    kept: Mutex<Kept>,
    metrics: Arc<Metrics>,
    view: watch::Sender<Arc<DirectoryView>>,
    /// A worker was ejected: a timer may be due earlier than before.
    ejected: Notify,
}

struct Kept {
    registry: Registry,
    keepers: BTreeMap<WorkerId, Keeper>,
    ejections: Ejections,
}

impl Directory {
    /// Makes an empty directory. `seed` is random: it spreads how long workers are ejected.
    pub(crate) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        dial: Dial,
        metrics: Arc<Metrics>,
        seed: u64,
    ) -> Arc<Self> {
        let version = version_at(clock.now());
        let view = watch::Sender::new(Arc::new(DirectoryView { version, workers: Vec::new() }));
        let ejections = Ejections::new(config.outlier.clone(), seed, clock.clone(), metrics.clone());
        let kept = Kept { registry: Registry::default(), keepers: BTreeMap::new(), ejections };
        Arc::new(Self { config, clock, dial, kept: Mutex::new(kept), metrics, view, ejected: Notify::new() })
    }

    /// Registers a worker once it was called back, or renews its registration.
    pub(crate) async fn register(self: &Arc<Self>, info: WorkerInfo, lease: Lease) -> Result<(), Error> {
        validate(&info)?;
        if self.renew(&info, lease) {
            return Ok(());
        }
        let tools = (self.dial)(&info);
        if let Err(failure) = self.call_back(&*tools, info.id).await {
            return Err(Error::NotReached {
                worker: info.id,
                address: info.address,
                failure: Box::new(failure),
            });
        }
        self.admit(info, tools, lease);
        Ok(())
    }

    /// Prolongs the registration of a living worker that says what it said before.
    fn renew(&self, info: &WorkerInfo, lease: Lease) -> bool {
        let kept = self.kept();
        let same = kept.registry.get(info.id).is_some_and(|entry| *entry.info == *info);
        match kept.keepers.get(&info.id) {
            Some(keeper) if same && kept.registry.is_live(info.id) => {
                keeper.renew(lease);
                true
            }
            _ => false,
        }
    }

    fn admit(self: &Arc<Self>, info: WorkerInfo, tools: Arc<dyn Tools>, lease: Lease) {
        let (worker, address) = (info.id, info.address.clone());
        let keeper = Keeper::start(self, worker, tools.clone(), lease);
        let mut kept = self.kept();
        kept.registry.put(Arc::new(info), tools, self.clock.now());
        kept.keepers.insert(worker, keeper);
        let Kept { registry, keepers, .. } = &mut *kept;
        keepers.retain(|id, _| registry.get(*id).is_some());
        self.publish(&mut kept);
        tracing::info!(%worker, address, "worker registered");
    }

    /// Calls a worker back through its executor's queue.
    pub(crate) async fn call_back(&self, tools: &dyn Tools, worker: WorkerId) -> Result<(), Failure> {
        match tokio::time::timeout(self.config.check_timeout, tools.check(worker)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(
                Class::Transient,
                Effect::NotExecuted,
                Reason::AttemptTimeout,
                "its executor did not answer in time",
            )),
        }
    }

    /// Takes in how a call back went. Says whether the worker is to be called back again soon.
    pub(crate) fn checked(&self, worker: WorkerId, check: Check) -> bool {
        let mut kept = self.kept();
        match kept.registry.checked(worker, check, self.config.missed) {
            Change::View => {
                let live = kept.registry.is_live(worker);
                tracing::info!(%worker, live, "worker {}", if live { "is back" } else { "is lost" });
                self.publish(&mut kept);
            }
            Change::None => self.refresh(&kept),
        }
        check == Check::Missed && kept.registry.is_live(worker)
    }

    /// Takes a worker out at once.
    pub(crate) fn remove(&self, worker: WorkerId, why: &'static str) {
        let mut kept = self.kept();
        // Its task ends with the keeper; where that is the caller's own, after this.
        let keeper = kept.keepers.remove(&worker);
        if kept.registry.remove(worker) == Change::View {
            self.publish(&mut kept);
        }
        drop(kept);
        if keeper.is_some() {
            tracing::info!(%worker, why, "worker unregistered");
        }
    }

    /// Has a worker called back now.
    pub(crate) fn nudge(&self, worker: WorkerId) {
        if let Some(keeper) = self.kept().keepers.get(&worker) {
            keeper.nudge();
        }
    }

    /// Ends all registrations.
    pub(crate) fn clear(&self) {
        let mut kept = self.kept();
        kept.registry = Registry::default();
        kept.keepers.clear();
        self.publish(&mut kept);
    }

    /// Takes in how calls of workers ended; says of each on whom a failure is to be counted, in their order.
    pub(crate) fn calls_ended(&self, calls: &[(WorkerId, &str, Ending)]) -> Vec<Blame> {
        let mut kept = self.kept();
        let report = |(worker, dependency, ending): &(WorkerId, &str, Ending)| {
            kept.ejections.report(*worker, dependency, *ending)
        };
        let blames = calls.iter().map(report).collect();
        self.show_ejections(&mut kept);
        blames
    }

    /// Lets ejected workers back when their time is over, for ever.
    pub(crate) async fn run(&self) {
        loop {
            let due = self.kept().ejections.due();
            let over = async {
                match due {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.ejected.notified() => continue,
                () = over => {}
            }
            let mut kept = self.kept();
            kept.ejections.tick();
            self.show_ejections(&mut kept);
        }
    }

    fn show_ejections(&self, kept: &mut Kept) {
        if kept.ejections.settle() {
            self.publish(kept);
            self.ejected.notify_one();
        }
    }

    pub(crate) fn view(&self) -> Arc<DirectoryView> {
        self.view.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<DirectoryView>> {
        self.view.subscribe()
    }

    /// Reads the registry together with the view that it made.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Registry, &DirectoryView) -> T) -> T {
        let kept = self.kept();
        let view = self.view();
        look(&kept.registry, &view)
    }

    /// Says whether a living worker's tool depends on it.
    pub(crate) fn knows_dependency(&self, name: &str) -> bool {
        let view = self.view();
        view.workers
            .iter()
            .flat_map(|worker| &worker.info.tools)
            .any(|manifest| manifest.dependency() == name)
    }

    fn publish(&self, kept: &mut Kept) {
        let now = self.clock.now();
        let version = version_at(now).max(self.view.borrow().version + 1);
        kept.registry.note_tools(version, now);
        let Kept { registry, ejections, .. } = kept;
        ejections.live(registry.live().map(|entry| &*entry.info));
        let view = registry.view(version, |worker| ejections.standing(worker));
        self.metrics.workers(&hosting(&view));
        self.view.send_replace(Arc::new(view));
    }

    /// Brings the times of proof up to date without waking anybody.
    fn refresh(&self, kept: &Kept) {
        self.view.send_if_modified(|view| {
            *view = Arc::new(kept.registry.view(view.version, |worker| kept.ejections.standing(worker)));
            false
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl holdfast_ports::Directory for Directory {
    fn view(&self) -> Arc<DirectoryView> {
        self.view()
    }

    async fn changed(&self, version: u64) -> Arc<DirectoryView> {
        let mut views = self.subscribe();
        let newer = views.wait_for(|view| view.version > version).await.map(|view| view.clone());
        // An error means that the sender is gone; it lives in this object, which the caller holds.
        newer.unwrap_or_else(|_| self.view())
    }

    async fn report_failed_dial(&self, worker: WorkerId) -> holdfast_ports::Result<()> {
        self.nudge(worker);
        Ok(())
    }
}

/// How many living workers host each tool.
fn hosting(view: &DirectoryView) -> BTreeMap<ToolName, u64> {
    let mut hosting = BTreeMap::new();
    for manifest in view.workers.iter().flat_map(|worker| &worker.info.tools) {
        *hosting.entry(manifest.name.clone()).or_insert(0) += 1;
    }
    hosting
}

/// The version of a change at `now`. Versions grow with time, so that those of this start are greater than those of
/// the starts before, and a breaker's last change can be compared with them.
pub(crate) fn version_at(now: Timestamp) -> u64 {
    u64::try_from(now.micros()).unwrap_or(0)
}

fn validate(info: &WorkerInfo) -> Result<(), Error> {
    let port = info.address.rsplit_once(':').map(|(host, port)| (host.is_empty(), port.parse::<u16>()));
    if !matches!(port, Some((false, Ok(1..)))) {
        return Err(Error::Address { address: info.address.chars().take(200).collect() });
    }
    let mut names = BTreeSet::new();
    match info.tools.iter().find(|manifest| !names.insert(&manifest.name)) {
        Some(manifest) => Err(Error::SameTool { tool: manifest.name.clone() }),
        None => Ok(()),
    }
}
