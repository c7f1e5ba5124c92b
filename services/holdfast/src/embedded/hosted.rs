//! The workers that die with the owner of the data folder.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_orchestrator::Host;
use holdfast_types::WorkerId;

/// The workers that this process hosts or started: each holds the data folder's lock as long as it lives, so
/// whoever gets the lock knows that all of them are dead.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    // A std mutex: held for a look-up, never across an await.
    workers: Mutex<HashSet<WorkerId>>,
}

impl Hosted {
    /// Notes a worker, before it takes its first call.
    pub(crate) fn add(&self, worker: WorkerId) {
        self.workers().insert(worker);
    }

    /// Forgets a worker that has ended; what it was doing is settled with the worker itself, not by the lock.
    pub(crate) fn remove(&self, worker: WorkerId) {
        self.workers().remove(&worker);
    }

    fn workers(&self) -> MutexGuard<'_, HashSet<WorkerId>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Hosted {
    fn hosts(&self, worker: WorkerId) -> bool {
        self.workers().contains(&worker)
    }
}
