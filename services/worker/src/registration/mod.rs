//! How a worker stays known to the directory: it registers, renews, notices when it was forgotten, and says goodbye.

mod keep;
mod remote;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Failure, WorkerId};

pub(crate) use keep::{keep, say_goodbye};
pub use remote::RemoteRegistrar;

/// Whether a worker takes new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Open,
    /// It is stopping: its running calls go on.
    Draining,
}

/// Resolves when the directory that is watched has ended, is not reached any more, or has taken the worker out; dropped,
/// it tells the directory to see whether the worker still lives.
pub type Forgotten = BoxFuture<'static, ()>;

/// The directory, as a worker sees it.
#[async_trait]
pub trait Registrar: Send + Sync {
    /// Watches the directory for a worker that is about to register: what it forgets from now on is noticed.
    ///
    /// The default notices nothing: such a directory learns of the worker again at its next renewal.
    ///
    /// # Errors
    /// A [`Failure`]: the directory was not reached.
    async fn watch(&self, _worker: WorkerId) -> Result<Forgotten, Failure> {
        Ok(Box::pin(std::future::pending()))
    }

    /// Registers a worker, or renews its registration; idempotent. Returns after which time to renew.
    ///
    /// # Errors
    /// A [`Failure`]: the directory was not reached, refuses a manifest, or can't call the worker back.
    async fn register(&self, info: &WorkerInfo, standing: Standing) -> Result<Duration, Failure>;
}
