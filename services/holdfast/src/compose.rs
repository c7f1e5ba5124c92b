//! The only place where services meet: each role is made of its parts here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_checkpoint::Checkpoint;
use holdfast_expr::Evaluator;
use holdfast_health::Health;
use holdfast_idempotency::Idempotency;
use holdfast_orchestrator::{Host, KeyFront, Orchestrator};
use holdfast_ports::{
    Blobs, BreakerShare, Breakers, Checkpoints, Directory, Inbox, Journal, Keys, Leases, Tasks, Tools,
};
use holdfast_rpc::clients::RemoteTools;
use holdfast_runtime::{Clock, Entropy, Ids, SystemClock, SystemEntropy};
use holdfast_telemetry::{Metrics, Telemetry};
use holdfast_tool::Tool;
use holdfast_types::WorkerId;
use holdfast_worker::{GuardCommand, Worker};

use crate::error::{Error, Result};
use crate::network::Network;

/// What every role of a process shares.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ids: Ids,
    pub(crate) metrics: Arc<Metrics>,
}

impl Process {
    /// The machine's own clock and randomness.
    pub(crate) fn system(metrics: Arc<Metrics>) -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), ids: Ids::system(), metrics }
    }
}

/// The storage ports: of one store in this process, or of the services that stand for it.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) leases: Arc<dyn Leases>,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
}

impl Stores {
    /// All ports of one store.
    pub(crate) fn of<S>(store: S) -> Self
    where
        S: Journal + Tasks + Leases + Inbox + Keys + Blobs + Checkpoints + 'static,
    {
        let store = Arc::new(store);
        Self {
            journal: store.clone(),
            tasks: store.clone(),
            leases: store.clone(),
            inbox: store.clone(),
            keys: store.clone(),
            blobs: store.clone(),
            checkpoints: store,
        }
    }
}

/// The verbs of the workers of this process, which need no socket.
#[derive(Clone, Default)]
pub(crate) struct InProcess(Arc<Mutex<HashMap<WorkerId, Arc<dyn Tools>>>>);

impl InProcess {
    pub(crate) fn add(&self, worker: &Worker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.id(), worker.tools());
    }

    fn get(&self, worker: WorkerId) -> Option<Arc<dyn Tools>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&worker).cloned()
    }
}

/// Makes the directory: workers of this process are called directly, others by gRPC. Its replicas meet at `share`.
pub(crate) fn build_health(
    process: &Process,
    local: InProcess,
    network: &Network,
    config: holdfast_health::Config,
    share: Option<Arc<dyn BreakerShare>>,
) -> Health {
    let network = network.clone();
    let dial: holdfast_health::Dial = Arc::new(move |info| {
        local.get(info.id).unwrap_or_else(|| Arc::new(RemoteTools::new(network.channel(&info.address))))
    });
    let deps = holdfast_health::Deps {
        dial,
        clock: process.clock.clone(),
        entropy: process.entropy.clone(),
        share,
        metrics: process.metrics.clone(),
    };
    Health::new(config, deps)
}

/// Makes a worker; with a store beside it, it keeps evidence and large payloads there itself.
pub(crate) fn build_worker(
    process: &Process,
    config: holdfast_worker::Config,
    id: Option<WorkerId>,
    stores: Option<&Stores>,
    tools: Vec<Arc<dyn Tool>>,
) -> Result<Worker> {
    let deps = holdfast_worker::Deps {
        clock: process.clock.clone(),
        ids: process.ids.clone(),
        blobs: stores.map(|stores| stores.blobs.clone()),
        keys: stores.map(|stores| stores.keys.clone()),
        guard: GuardCommand::default(),
        metrics: process.metrics.clone(),
    };
    let id = id.unwrap_or_else(|| process.ids.worker());
    Worker::incarnation(id, config, deps, tools).map_err(|error| Error::Usage(format!("the worker: {error}")))
}

/// Makes the façade of the journal's store.
pub(crate) fn build_checkpoint(process: &Process, stores: Stores) -> Checkpoint {
    let Stores { journal, tasks, leases, inbox, keys, blobs, checkpoints } = stores;
    let deps = holdfast_checkpoint::Deps {
        journal,
        tasks,
        leases,
        inbox,
        keys,
        blobs,
        checkpoints,
        clock: process.clock.clone(),
    };
    Checkpoint::new(holdfast_checkpoint::Config::default(), deps)
}

/// Makes the façade of the key table.
pub(crate) fn build_idempotency(process: &Process, keys: Arc<dyn Keys>) -> Idempotency {
    let deps = holdfast_idempotency::Deps { keys, metrics: process.metrics.clone() };
    Idempotency::new(holdfast_idempotency::Config::default(), deps)
}

/// What an orchestrator works on: its stores, what stands before their key table, the workers that it knows of and their breakers, and those that die with its owner.
pub(crate) struct Surroundings {
    pub(crate) stores: Stores,
    pub(crate) front: KeyFront,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) breakers: Arc<dyn Breakers>,
    pub(crate) host: Arc<dyn Host>,
}

/// Makes an orchestrator.
pub(crate) fn build_orchestrator(
    process: &Process,
    config: holdfast_orchestrator::Config,
    around: Surroundings,
    telemetry: &Telemetry,
) -> Orchestrator {
    let Surroundings { stores, front, directory, breakers, host } = around;
    let deps = holdfast_orchestrator::Deps {
        journal: stores.journal,
        tasks: stores.tasks,
        inbox: stores.inbox,
        leases: stores.leases,
        keys: stores.keys,
        front,
        blobs: stores.blobs,
        directory,
        breakers,
        host,
        evaluator: Evaluator::new(holdfast_expr::Settings::default()),
        clock: process.clock.clone(),
        entropy: process.entropy.clone(),
        ids: process.ids.clone(),
        metrics: process.metrics.clone(),
        tracer: telemetry.task_tracer(),
    };
    Orchestrator::new(config, deps)
}
