//! The service as the composing code holds it.

use std::sync::Arc;

use holdfast_ports::{Blobs, Checkpoints, Inbox, Journal, Keys, Leases, Tasks};
use holdfast_proto::v1::checkpoint_service_server::CheckpointServiceServer;
use holdfast_runtime::Clock;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::Config;

/// What the service needs: the ports, which one store mostly implements all, and the store's clock.
#[derive(Clone)]
pub struct Deps {
    /// The journals of tasks.
    pub journal: Arc<dyn Journal>,
    /// The rows of tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Sessions, leases and claims.
    pub leases: Arc<dyn Leases>,
    /// The inboxes of tasks.
    pub inbox: Arc<dyn Inbox>,
    /// The key table.
    pub keys: Arc<dyn Keys>,
    /// The blob table.
    pub blobs: Arc<dyn Blobs>,
    /// The checkpoints of foreign agents.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// The clock by which the store judges.
    pub clock: Arc<dyn Clock>,
}

/// The checkpoint service. Cheap to clone; clones are the same service.
#[derive(Clone)]
pub struct Checkpoint {
    pub(crate) config: Arc<Config>,
    pub(crate) deps: Arc<Deps>,
    /// Ends follows and sessions' streams.
    pub(crate) ended: CancellationToken,
    /// A permit a MiB of blobs that are being received.
    pub(crate) blob_memory: Arc<Semaphore>,
}

impl Checkpoint {
    /// Makes the service.
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        let permits = usize::try_from(config.blob_memory_mib.max(64)).unwrap_or(64);
        Self {
            config: Arc::new(config),
            deps: Arc::new(deps),
            ended: CancellationToken::new(),
            blob_memory: Arc::new(Semaphore::new(permits)),
        }
    }

    /// Returns the gRPC service.
    #[must_use]
    pub fn grpc(&self) -> CheckpointServiceServer<Self> {
        CheckpointServiceServer::new(self.clone())
    }

    /// Runs until `shutdown`, then ends all streams without an end of their own, which would hold a server's drain.
    /// No session ends by that: its instance finds another replica, or this one again, within its lease.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
        self.ended.cancel();
    }
}
