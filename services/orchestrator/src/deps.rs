//! What an orchestrator is given by whoever composes it.

use std::fmt;
use std::sync::Arc;

use holdfast_expr::Evaluator;
use holdfast_ports::{Blobs, Breakers, Directory, Inbox, Journal, Keys, Leases, Tasks};
use holdfast_runtime::{Clock, Entropy, Ids};
use holdfast_telemetry::{Metrics, TaskTracer};
use holdfast_types::WorkerId;

use crate::KeyFront;

/// The ports and the process concerns that an orchestrator works with.
#[derive(Clone)]
pub struct Deps {
    /// The journal of all tasks.
    pub journal: Arc<dyn Journal>,
    /// The rows of tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Their inboxes.
    pub inbox: Arc<dyn Inbox>,
    /// Sessions and claims.
    pub leases: Arc<dyn Leases>,
    /// The key table.
    pub keys: Arc<dyn Keys>,
    /// What stands before the key table.
    pub front: KeyFront,
    /// Large payloads.
    pub blobs: Arc<dyn Blobs>,
    /// The workers that live.
    pub directory: Arc<dyn Directory>,
    /// The breakers before them, as their owner tells.
    pub breakers: Arc<dyn Breakers>,
    /// Which of them live in this process.
    pub host: Arc<dyn Host>,
    /// Evaluates the plans' expressions.
    pub evaluator: Evaluator,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// New ids.
    pub ids: Ids,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where the spans of tasks go.
    pub tracer: TaskTracer,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// Knows which workers live and die with the owner of the data folder (DESIGN section 4.2).
pub trait Host: Send + Sync {
    /// Says whether the worker was started by the present owner of the data folder and dies with it.
    ///
    /// An attempt that was bound to such a worker, by an owner that is gone, is closed at once: the folder's lock
    /// proves the owner dead, and its workers with it.
    fn hosts(&self, worker: WorkerId) -> bool;
}

/// The host of no worker: all of them live on their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn hosts(&self, _worker: WorkerId) -> bool {
        false
    }
}
