//! The service as the composing code holds it.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_ports::{BreakerShare, DirectoryView};
use holdfast_proto::v1::health_service_server::HealthServiceServer;
use holdfast_runtime::{Clock, Entropy};
use holdfast_telemetry::Metrics;
use holdfast_types::WorkerId;
use holdfast_types::worker::WorkerInfo;

use tokio_util::sync::CancellationToken;

use crate::board::Breaking;
use crate::directory::{Dial, Directory};
use crate::keeper::Lease;
use crate::replica::Replica;
use crate::sharing::Sharer;
use crate::{Config, Error};

/// What the service needs.
pub struct Deps {
    /// Makes the way to call a worker.
    pub dial: Dial,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness, for the incarnation of the breakers.
    pub entropy: Arc<dyn Entropy>,
    /// Where replicas of the service meet; none: there is one.
    pub share: Option<Arc<dyn BreakerShare>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The directory of workers. Cheap to clone; clones are the same service.
///
/// In one process it is itself the [`holdfast_ports::Directory`] of the orchestrator.
#[derive(Clone)]
pub struct Health {
    pub(crate) directory: Arc<Directory>,
    pub(crate) breaking: Arc<Breaking>,
    sharer: Option<Arc<Sharer>>,
    /// Ends the watches.
    pub(crate) ended: CancellationToken,
}

impl Health {
    /// Makes the service, with nobody registered.
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        let Deps { dial, clock, entropy, share, metrics } = deps;
        let seed = entropy.next_u64();
        let lease = config.sharing.lease;
        let (policies, incarnation) = (config.breakers.clone(), entropy.next_u64());
        let replica = match &share {
            Some(_) => Replica::joining(policies, incarnation, lease),
            None => Replica::new(policies, incarnation, lease),
        };
        let breaking = Arc::new(Breaking::new(replica, clock.clone(), entropy, metrics.clone()));
        let sharing = config.sharing.clone();
        let sharer = share.map(|share| Arc::new(Sharer::new(breaking.clone(), share, sharing)));
        Self {
            directory: Directory::new(config, clock, dial, metrics, seed),
            breaking,
            sharer,
            ended: CancellationToken::new(),
        }
    }

    /// Returns the gRPC service.
    #[must_use]
    pub fn grpc(&self) -> HealthServiceServer<Self> {
        HealthServiceServer::new(self.clone())
    }

    /// Runs the timers of breakers and ejections until `shutdown`, then ends all registrations and watches. Workers are called back
    /// also without it.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = self.breaking.run() => {}
            () = self.directory.run() => {}
            () = share(self.sharer.as_deref()) => {}
            () = shutdown => {}
        }
        if let Some(sharer) = &self.sharer {
            sharer.leave().await;
        }
        self.directory.clear();
        self.ended.cancel();
    }

    /// Registers a worker of this process; it counts when this returns, and until the registration is dropped.
    ///
    /// # Errors
    /// [`Error`] where it breaks a rule or can't be called back.
    pub async fn host(&self, info: WorkerInfo) -> Result<Registration, Error> {
        let worker = info.id;
        self.directory.register(info, Lease::WhileHeld).await?;
        Ok(Registration { directory: self.directory.clone(), worker })
    }

    /// Registers a worker that renews within the lease, or renews it. Immediate: it counts when this returns.
    ///
    /// # Errors
    /// [`Error`] where it breaks a rule or can't be called back.
    pub async fn register(&self, info: WorkerInfo) -> Result<(), Error> {
        let end = tokio::time::Instant::now() + self.directory.config.lease;
        self.directory.register(info, Lease::Until(end)).await
    }

    /// Takes a worker out at once: it has said goodbye. Its running calls go on.
    pub fn leave(&self, worker: WorkerId) {
        self.directory.remove(worker, "it said goodbye");
    }

    /// Takes a worker out at once whose process has ended, as whoever started it knows.
    pub fn ended(&self, worker: WorkerId) {
        self.directory.remove(worker, "its process has ended");
    }
}

async fn share(sharer: Option<&Sharer>) {
    match sharer {
        Some(sharer) => sharer.run().await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl holdfast_ports::Directory for Health {
    fn view(&self) -> Arc<DirectoryView> {
        self.directory.view()
    }

    async fn changed(&self, version: u64) -> Arc<DirectoryView> {
        self.directory.changed(version).await
    }

    async fn report_failed_dial(&self, worker: WorkerId) -> holdfast_ports::Result<()> {
        self.directory.report_failed_dial(worker).await
    }
}

/// The registration of a worker of this process; dropped, it ends at once.
#[must_use]
pub struct Registration {
    directory: Arc<Directory>,
    worker: WorkerId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.directory.remove(self.worker, "its registration was dropped");
    }
}
