//! A place on a worker, with what it counts in.

use std::fmt;
use std::sync::Arc;

use holdfast_ports::LiveWorker;
use tokio::sync::OwnedSemaphorePermit;

use super::Places;
use super::gate::Bulk;
use crate::breakers::Permit;

/// A place on a worker; dropping it frees it, for whoever is next.
pub(crate) struct Place {
    /// The worker.
    pub(crate) worker: LiveWorker,
    /// The breaker's permission for the call that takes it; given back with it where the call is not sent.
    pub(crate) permit: Option<Permit>,
    slot: Option<OwnedSemaphorePermit>,
    /// The limits that it counts in.
    entered: Vec<Bulk>,
    places: Arc<Places>,
}

impl Place {
    pub(super) const fn new(
        worker: LiveWorker,
        slot: OwnedSemaphorePermit,
        entered: Vec<Bulk>,
        places: Arc<Places>,
    ) -> Self {
        Self { worker, permit: None, slot: Some(slot), entered, places }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.slot.take());
        self.places.freed(&self.entered);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("worker", &self.worker.info.id).finish_non_exhaustive()
    }
}
