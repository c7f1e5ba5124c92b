//! What is known of the workers, and the ways to call them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_ports::{DirectoryView, LiveWorker, Standing};
use holdfast_proto::convert::{Within, time};
use holdfast_proto::v1::watch_response::Change;
use holdfast_proto::{Invalid, v1};
use holdfast_types::WorkerId;
use holdfast_types::worker::WorkerInfo;

use super::WorkerDial;

/// The workers, and which of them the service has not named since it was found again.
pub(super) struct Known {
    dial: WorkerDial,
    workers: BTreeMap<WorkerId, LiveWorker>,
    unconfirmed: BTreeSet<WorkerId>,
    version: u64,
}

impl Known {
    pub(super) fn new(dial: WorkerDial) -> Self {
        Self { dial, workers: BTreeMap::new(), unconfirmed: BTreeSet::new(), version: 0 }
    }

    /// Takes a message in; says whether it changed a worker.
    pub(super) fn take(&mut self, message: v1::WatchResponse) -> Result<bool, Invalid> {
        let changed = match message.change {
            Some(Change::View(view)) => {
                self.unconfirmed = self.workers.keys().copied().collect();
                for worker in view.workers {
                    // The rest of the view is good where one worker is of a newer version.
                    if let Err(invalid) = self.put(worker) {
                        tracing::warn!(%invalid, "a worker of the directory can't be read");
                    }
                }
                true
            }
            Some(Change::Worker(worker)) => {
                self.put(worker)?;
                true
            }
            Some(Change::WorkerGone(id)) => id.parse().is_ok_and(|id| {
                self.unconfirmed.remove(&id);
                self.workers.remove(&id).is_some()
            }),
            // The board's, which shares the stream.
            Some(Change::Breaker(_) | Change::Trial(_)) | None => false,
        };
        if changed {
            // A service that starts anew may count from less; who waits here waits for more.
            self.version = (self.version + 1).max(message.version);
        }
        Ok(changed)
    }

    /// Says whether there are workers whose place nobody has confirmed.
    pub(super) fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_empty()
    }

    /// Takes those out that did not register again.
    pub(super) fn settle(&mut self) {
        for id in std::mem::take(&mut self.unconfirmed) {
            tracing::warn!(worker = %id, "worker is not known to the directory any more");
            self.workers.remove(&id);
        }
        self.version += 1;
    }

    pub(super) fn view(&self) -> DirectoryView {
        DirectoryView { version: self.version, workers: self.workers.values().cloned().collect() }
    }

    fn put(&mut self, wire: v1::LiveWorker) -> Result<(), Invalid> {
        let info =
            wire.info.ok_or_else(|| Invalid::missing("worker.info", "what the worker said of itself"))?;
        let info = Arc::new(WorkerInfo::try_from(info).within("worker.info")?);
        let proven_at = time::required_timestamp("worker.proven_at", wire.proven_at)?;
        let ejected_until = time::optional_timestamp("worker.ejected_until", wire.ejected_until)?;
        let standing = ejected_until.map_or(Standing::Taking, |until| Standing::Ejected { until });
        self.unconfirmed.remove(&info.id);
        // Its connection is kept while its address is the same.
        let known = self.workers.get(&info.id).filter(|known| known.info.address == info.address);
        let tools = known.map_or_else(|| (self.dial)(&info), |known| known.tools.clone());
        self.workers.insert(info.id, LiveWorker { info, proven_at, standing, tools });
        Ok(())
    }
}
