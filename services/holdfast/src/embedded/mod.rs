//! The whole platform in one process: one data folder, one store, every role; only the public APIs are sockets.

mod addresses;
pub(crate) mod hosted;
mod roles;

use std::sync::Arc;
use std::time::Duration;

use holdfast_health::{Health, Registration, Sharing};
use holdfast_orchestrator::KeyFront;
use holdfast_runtime::Shutdown;
use holdfast_store::{DataFolder, SqliteStore};
use holdfast_telemetry::Telemetry;
use holdfast_worker::Worker;
use tokio::task::JoinSet;

pub(crate) use addresses::Addresses;
use hosted::Hosted;

use crate::compose::{self, InProcess, Process, Stores, Surroundings};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::settings::{Listen, Settings};
use crate::{backlog, folder, retention, stored};

/// How long the servers let calls under way end, once the tasks are given back.
const SERVERS_DRAIN: Duration = Duration::from_millis(500);

/// A platform that runs in this process.
pub(crate) struct Platform {
    /// Where its services listen.
    pub(crate) addresses: Addresses,
    /// Its directory of workers.
    pub(crate) health: Health,
    /// The workers that die with it.
    pub(crate) hosted: Arc<Hosted>,
    orchestrator: tokio::task::JoinHandle<Result<()>>,
    servers: JoinSet<Result<()>>,
    serving: Shutdown,
    store: SqliteStore,
    _registration: Registration,
    // Dropped last: whoever gets the folder next finds nobody at work in it.
    _folder: DataFolder,
}

impl Platform {
    /// Takes the data folder, ends the sessions of owners that are dead, and starts every role.
    ///
    /// # Errors
    /// [`Error`] where the folder is in use, the store can't be opened, or a port is taken.
    pub(crate) async fn start(
        settings: &Settings,
        listen: &Listen,
        network: &Network,
        telemetry: &Telemetry,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let process = Process::system(telemetry.metrics());
        let folder = folder::take(&settings.data_dir).await?;
        let store = open(&folder, settings, &process).await?;
        let stores = Stores::of(store.clone());
        let local = InProcess::default();
        let hosted = Arc::new(Hosted::default());
        let health = compose::build_health(
            &process,
            local.clone(),
            network,
            settings.of_health(Sharing::default()),
            None,
        );
        let worker =
            compose::build_worker(&process, settings.worker.clone(), None, Some(&stores), Vec::new())?;
        local.add(&worker);
        hosted.add(worker.id());
        let around = Surroundings {
            stores: stores.clone(),
            front: KeyFront::None,
            directory: Arc::new(health.clone()),
            breakers: Arc::new(health.breakers_for(process.ids.instance())),
            host: hosted.clone(),
        };
        let orchestrator =
            compose::build_orchestrator(&process, settings.of_orchestrator(), around, telemetry);
        let serving = Shutdown::new();
        let mut servers = JoinSet::new();
        let roles = roles::Roles {
            orchestrator: &orchestrator,
            idempotency: compose::build_idempotency(&process, stores.keys.clone()),
            checkpoint: compose::build_checkpoint(&process, stores.clone()),
            health: &health,
            worker: &worker,
            network,
        };
        let addresses = roles.serve(listen, &serving, &mut servers).await?;
        let registration = register(&health, &worker, &addresses).await?;
        let (clock, tasks, ending) = (process.clock.clone(), settings.retention.tasks, serving.clone());
        servers.spawn(async move {
            retention::keep(stores, clock, tasks, ending).await;
            Ok(())
        });
        let (looked_at, metrics, ending) = (store.clone(), process.metrics.clone(), serving.clone());
        servers.spawn(async move {
            let look = || {
                let store = looked_at.clone();
                async move { store.backlog().await }
            };
            backlog::keep(look, metrics, ending).await;
            Ok(())
        });
        let (running, ending) = (shutdown.clone(), serving.clone());
        let orchestrator = tokio::spawn(async move {
            let ended = orchestrator.run(running).await;
            ending.drain();
            ended.map_err(|error| Error::platform("the orchestrator")(error.into()))
        });
        Ok(Self {
            addresses,
            health,
            hosted,
            orchestrator,
            servers,
            serving,
            store,
            _registration: registration,
            _folder: folder,
        })
    }

    /// Waits until a role ends, which it does only after a shutdown or for a fault.
    pub(crate) async fn until_a_role_ends(&mut self) -> Result<()> {
        tokio::select! {
            ended = &mut self.orchestrator => flat(ended),
            Some(ended) = self.servers.join_next() => flat(ended),
        }
    }

    /// Waits for the end of every role after a shutdown, and closes the store.
    pub(crate) async fn end(mut self) -> Result<()> {
        let orchestrator =
            if self.orchestrator.is_finished() { Ok(()) } else { flat((&mut self.orchestrator).await) };
        self.serving.drain();
        let all = async { while self.servers.join_next().await.is_some() {} };
        // What still streams to a reader is cut: its reader reads on after the last event it has.
        let _ = tokio::time::timeout(SERVERS_DRAIN * 2, all).await;
        self.servers.abort_all();
        self.store.close().await;
        orchestrator
    }
}

async fn open(folder: &DataFolder, settings: &Settings, process: &Process) -> Result<SqliteStore> {
    let store = stored::sqlite(folder, settings, process).await?;
    // Whoever holds the folder's lock knows that every former owner is dead: no lease is waited for.
    let closed = store.close_former_sessions().await;
    let closed = closed.map_err(|error| Error::platform("former sessions can't be ended")(error.into()))?;
    tracing::debug!(sessions = closed, "former sessions ended");
    Ok(store)
}

async fn register(health: &Health, worker: &Worker, addresses: &Addresses) -> Result<Registration> {
    let info = worker.info(addresses.worker.to_string());
    let registered = health.host(info).await;
    registered.map_err(|error| Error::platform("the built-in worker can't be registered")(error.into()))
}

fn flat(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(Error::platform("a role broke down")(error.into())),
    }
}
