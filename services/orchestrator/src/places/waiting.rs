//! A call in the queue.

use std::sync::Arc;
use std::time::Duration;

use holdfast_telemetry::Held;
use holdfast_types::{Namespace, ToolManifest};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::gate::{Caller, Ticket};
use super::{NoPlace, Place, Places, Standing};

/// A call that stands in the queue; dropping it leaves the queue.
#[must_use = "it waits only while it is held"]
pub(crate) struct Waiting {
    places: Arc<Places>,
    tool: Arc<ToolManifest>,
    namespace: Namespace,
    ticket: Ticket,
    granted: oneshot::Receiver<Place>,
    standing: watch::Receiver<Standing>,
    _counted: Held,
}

impl Waiting {
    /// Puts a call into the queue. Nobody has looked whether there is a place for it.
    pub(super) fn enter(
        places: &Arc<Places>,
        tool: &Arc<ToolManifest>,
        caller: Caller,
        standing: Standing,
    ) -> Self {
        let namespace = caller.namespace.clone();
        let (ticket, granted, standing) = places.gate().wait(tool, caller, standing);
        Self {
            places: Arc::clone(places),
            tool: Arc::clone(tool),
            namespace,
            ticket,
            granted,
            standing,
            _counted: places.metrics.call_queued(),
        }
    }

    /// The place, where it was given one already.
    pub(super) fn granted(&mut self) -> Option<Place> {
        self.granted.try_recv().ok()
    }

    /// Waits for a place until `until`; for a worker that hosts the tool at most for `patience`.
    ///
    /// Cancel-safe: a dropped wait takes nothing.
    pub(crate) async fn wait(mut self, until: Instant, patience: Duration) -> Result<Place, NoPlace> {
        let patience = until.min(Instant::now() + patience);
        loop {
            let standing = *self.standing.borrow_and_update();
            if standing == Standing::Slowed
                && let Some(wait) = self.places.stays_away(&self.tool)
            {
                return Err(NoPlace::RateLimited { wait });
            }
            let limit = if matches!(standing, Standing::Missing(_)) { patience } else { until };
            tokio::select! {
                biased;
                Ok(place) = &mut self.granted => return Ok(place),
                Ok(()) = self.standing.changed() => {}
                () = tokio::time::sleep_until(limit) => return Err(match standing {
                    Standing::Missing(missing) => missing,
                    Standing::Hosted | Standing::Slowed => self.places.why(&self.tool, &self.namespace),
                }),
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Out of the queue first: what is given to it all the same is free when the receiver is dropped.
        self.places.gate().give_up(&self.ticket);
    }
}
