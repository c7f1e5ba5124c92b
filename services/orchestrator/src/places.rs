//! The free places of workers, as this orchestrator counts them, and the choice among them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::select_all;
use holdfast_ports::{Directory, DirectoryView, LiveWorker};
use holdfast_types::{ToolManifest, WorkerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::breakers::Permit;

/// A place on a worker; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The worker.
    pub(crate) worker: LiveWorker,
    /// The breaker's permission for the call that takes it; given back with it where the call is not sent.
    pub(crate) permit: Option<Permit>,
    _slot: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// No live worker hosts the tool.
    Gone,
    /// Workers host it, but none as it was pinned.
    Incompatible,
    /// All of them are busy.
    Busy,
}

/// How long a worker that could not be reached is left alone where others host the tool: by then the directory, which is
/// told of it, knows whether it lives. A dead worker's places are free at once, so without this it would draw every call.
const REST: Duration = Duration::from_secs(1);

fn least_loaded(mut candidates: Vec<(LiveWorker, Arc<Semaphore>)>) -> Result<Place, NoPlace> {
    candidates.sort_by_key(|(_, slots)| std::cmp::Reverse(slots.available_permits()));
    for (worker, slots) in candidates {
        if let Ok(slot) = slots.try_acquire_owned() {
            return Ok(Place { worker, permit: None, _slot: slot });
        }
    }
    Err(NoPlace::Busy)
}

async fn up(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The places of all workers, shared by the drivers of an instance.
#[derive(Debug, Default)]
pub(crate) struct Places {
    // A std mutex: held for a look-up, never across an await.
    slots: Mutex<HashMap<WorkerId, Arc<Semaphore>>>,
    /// Workers that could not be reached, and until when they rest. A std mutex, as the one above.
    resting: Mutex<HashMap<WorkerId, Instant>>,
}

impl Places {
    /// Leaves a worker alone for a while: it could not be reached, or the connection to it was lost.
    pub(crate) fn rest(&self, worker: WorkerId) {
        let now = Instant::now();
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, until| *until > now);
        resting.insert(worker, now + REST);
    }

    fn rests(&self, worker: WorkerId) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(&worker).is_some_and(|until| *until > Instant::now())
    }

    /// When the next of the resting workers is up again.
    fn next_up(&self) -> Option<Instant> {
        let now = Instant::now();
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.values().filter(|until| **until > now).min().copied()
    }

    /// Takes a place on the least loaded worker that hosts the tool as it was pinned, without waiting.
    pub(crate) fn try_take(&self, view: &DirectoryView, tool: &ToolManifest) -> Result<Place, NoPlace> {
        let candidates = self.candidates(view, tool)?;
        least_loaded(candidates)
    }

    /// Takes a place as [`Places::try_take`] does, on any worker but one.
    pub(crate) fn try_take_beside(
        &self,
        view: &DirectoryView,
        tool: &ToolManifest,
        beside: WorkerId,
    ) -> Result<Place, NoPlace> {
        let mut candidates = self.candidates(view, tool)?;
        candidates.retain(|(worker, _)| worker.info.id != beside);
        least_loaded(candidates)
    }

    /// Takes a place, waiting for one until `until`; for a worker that hosts the tool at most for `patience`.
    ///
    /// Cancel-safe: a dropped wait takes nothing.
    pub(crate) async fn take(
        &self,
        directory: &dyn Directory,
        tool: &ToolManifest,
        until: Instant,
        patience: Duration,
    ) -> Result<Place, NoPlace> {
        let mut view = directory.view();
        let patience = until.min(Instant::now() + patience);
        loop {
            let missing = match self.try_take(&view, tool) {
                Ok(place) => return Ok(place),
                Err(missing) => missing,
            };
            let limit = if missing == NoPlace::Busy { until } else { patience };
            let version = view.version;
            let next_up = self.next_up();
            tokio::select! {
                // The worker whose queue this was may have died meanwhile: its places are free because of that.
                place = self.queue(&view, tool) => if self.suits(&view, tool, &place) { return Ok(place) },
                () = up(next_up) => {}
                changed = directory.changed(version) => view = changed,
                () = tokio::time::sleep_until(limit) => return Err(missing),
            }
        }
    }

    /// Waits in the queues of all workers that may have a place; for ever where there is none.
    async fn queue(&self, view: &DirectoryView, tool: &ToolManifest) -> Place {
        let candidates = self.candidates(view, tool).unwrap_or_default();
        let queues = candidates.into_iter().map(|(worker, slots)| {
            Box::pin(async move {
                match slots.acquire_owned().await {
                    Ok(slot) => Place { worker, permit: None, _slot: slot },
                    // Closed: the worker is gone, and the directory says so next.
                    Err(_) => std::future::pending().await,
                }
            })
        });
        let queues: Vec<_> = queues.collect();
        if queues.is_empty() {
            return std::future::pending().await;
        }
        select_all(queues).await.0
    }

    fn suits(&self, view: &DirectoryView, tool: &ToolManifest, place: &Place) -> bool {
        let candidates = self.candidates(view, tool).unwrap_or_default();
        candidates.iter().any(|(worker, _)| worker.info.id == place.worker.info.id)
    }

    fn candidates(
        &self,
        view: &DirectoryView,
        tool: &ToolManifest,
    ) -> Result<Vec<(LiveWorker, Arc<Semaphore>)>, NoPlace> {
        let mut missing = NoPlace::Gone;
        let mut exact = Vec::new();
        let mut compatible = Vec::new();
        for worker in &view.workers {
            let Some(hosted) = worker.info.tools.iter().find(|hosted| hosted.name == tool.name) else {
                continue;
            };
            missing = NoPlace::Incompatible;
            if hosted == tool {
                exact.push(worker);
            } else if tool.is_compatible(hosted) {
                compatible.push(worker);
            }
        }
        let mut chosen = if exact.is_empty() { compatible } else { exact };
        if chosen.is_empty() {
            return Err(missing);
        }
        // Where all of them rest, one of them is tried all the same.
        if chosen.iter().any(|worker| !self.rests(worker.info.id)) {
            chosen.retain(|worker| !self.rests(worker.info.id));
        }
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Workers that went away are forgotten when there are clearly more of them than of those that live.
        if slots.len() > 2 * view.workers.len() + 8 {
            slots.retain(|id, slots| view.worker(*id).is_some() || Arc::strong_count(slots) > 1);
        }
        let with_slots = |worker: &LiveWorker| {
            let count =
                usize::try_from(worker.info.slots).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
            let slots = slots.entry(worker.info.id).or_insert_with(|| Arc::new(Semaphore::new(count)));
            (worker.clone(), Arc::clone(slots))
        };
        Ok(chosen.into_iter().map(with_slots).collect())
    }
}
