//! The free places of workers, as this orchestrator counts them, the choice among them, and the order of those who wait
//! for one, or for a limit: fair between namespaces, then by priority, then fair between tasks.

mod gate;
mod keeper;
mod place;
mod waiting;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_ports::{Directory, DirectoryView, LiveWorker, Standing as WorkerStanding};
use holdfast_resilience::bulkhead::Opens;
use holdfast_telemetry::Metrics;
use holdfast_types::{Namespace, ToolManifest, WorkerId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub(crate) use gate::Caller;
use gate::{Bulk, Gate};
pub(crate) use place::Place;
pub(crate) use waiting::Waiting;

use crate::limits::Limits;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// No live worker hosts the tool.
    Gone,
    /// Workers host it, but none as it was pinned.
    Incompatible,
    /// All of them are busy.
    Busy,
    /// As many calls of the tool are under way, or have begun, as may.
    ToolLimit,
    /// As many calls of the namespace are under way, or have begun, as may.
    NamespaceLimit,
    /// The dependency wants to be called less: it is left alone.
    RateLimited {
        /// When a call is worth another try.
        wait: Duration,
    },
}

/// What all who wait for one tool should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Somebody hosts it.
    Hosted,
    /// Somebody hosts it, and its dependency was called too often.
    Slowed,
    /// Nobody hosts it as it was pinned.
    Missing(NoPlace),
}

/// The answer to whoever wants a place.
pub(crate) enum Asked {
    /// Here it is.
    Now(Place),
    /// It stands in the queue.
    Later(Waiting),
    /// The dependency was called too often: it should not even stand in the queue.
    Away(NoPlace),
}

/// How long a worker that could not be reached is left alone where others host the tool: by then the directory, which is
/// told of it, knows whether it lives. A dead worker's places are free at once, so without this it would draw every call.
const REST: Duration = Duration::from_secs(1);

type Slots = Vec<(LiveWorker, Arc<Semaphore>)>;

/// Takes a place on the worker with the most free ones, `beside` the last of all.
fn least_loaded(
    mut candidates: Slots,
    beside: Option<WorkerId>,
) -> Option<(LiveWorker, OwnedSemaphorePermit)> {
    candidates.sort_by_key(|(worker, slots)| {
        (Some(worker.info.id) == beside, std::cmp::Reverse(slots.available_permits()))
    });
    candidates.into_iter().find_map(|(worker, slots)| Some((worker, slots.try_acquire_owned().ok()?)))
}

/// The places of all workers, shared by the drivers of an instance.
pub(crate) struct Places {
    directory: Arc<dyn Directory>,
    metrics: Arc<Metrics>,
    /// How long a call may stand in the queue for the pace of its dependency.
    patience: Duration,
    origin: Instant,
    // A std mutex: held for a look at the queue, never across an await. Taken before the two below.
    gate: Mutex<Gate>,
    // A std mutex: held for a look-up, never across an await.
    slots: Mutex<HashMap<WorkerId, Arc<Semaphore>>>,
    /// Workers that could not be reached, and until when they rest. A std mutex, as the one above.
    resting: Mutex<HashMap<WorkerId, Instant>>,
    /// The queue wants to be looked at sooner than its keeper knows.
    sooner: Notify,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl Places {
    /// `patience` is how long a call may stand in the queue for the pace of its dependency.
    pub(crate) fn new(
        directory: Arc<dyn Directory>,
        metrics: Arc<Metrics>,
        limits: Limits,
        patience: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            directory,
            metrics,
            patience,
            origin: Instant::now(),
            gate: Mutex::new(Gate::new(limits)),
            slots: Mutex::default(),
            resting: Mutex::default(),
            sooner: Notify::new(),
        })
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // A panic while it is held leaves at worst a call counted that is not there.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

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

    /// So many orchestrators share the limits from now on.
    pub(crate) fn share_among(self: &Arc<Self>, orchestrators: u32) {
        self.gate().share_among(orchestrators);
        self.pump();
    }

    /// A call of the dependency that left `ago` was refused because it is called too often; it wants to be left alone
    /// for `hint` (none: it did not say). All its calls are held back.
    pub(crate) fn refused(&self, dependency: &str, ago: Duration, hint: Option<Duration>) {
        let now = self.now();
        self.gate().refused(dependency, now.saturating_sub(ago), hint.unwrap_or_default(), now);
    }

    /// Takes a place on the least loaded worker that hosts the tool as it was pinned, or a place in the queue for one.
    pub(crate) fn ask(self: &Arc<Self>, tool: &Arc<ToolManifest>, caller: Caller) -> Asked {
        let candidates = self.candidates(&self.directory.view(), tool);
        let standing = candidates.as_ref().map_or_else(|why| Standing::Missing(*why), |_| Standing::Hosted);
        let now = self.now();
        {
            let mut gate = self.gate();
            if let Some(wait) = gate.stays_away(tool, self.patience, now) {
                self.metrics.call_held_back();
                return Asked::Away(NoPlace::RateLimited { wait });
            }
            // Where somebody waits, whoever comes now waits behind him.
            if gate.queue.is_empty()
                && gate.opens(tool, &caller.namespace, now) == Opens::Now
                && let Some((worker, slot)) =
                    candidates.ok().and_then(|found| least_loaded(found, caller.beside))
            {
                let entered = gate.enter(tool, &caller.namespace, now);
                return Asked::Now(Place::new(worker, slot, entered, Arc::clone(self)));
            }
        }
        let mut waiting = Waiting::enter(self, tool, caller, standing);
        self.pump();
        match waiting.granted() {
            Some(place) => Asked::Now(place),
            None => Asked::Later(waiting),
        }
    }

    /// Takes a place on any worker but one, at once or not at all.
    pub(crate) fn try_take_beside(
        self: &Arc<Self>,
        tool: &ToolManifest,
        namespace: &Namespace,
        beside: WorkerId,
    ) -> Option<Place> {
        let mut candidates = self.candidates(&self.directory.view(), tool).ok()?;
        candidates.retain(|(worker, _)| worker.info.id != beside);
        let now = self.now();
        let mut gate = self.gate();
        if !gate.queue.is_empty() || gate.opens(tool, namespace, now) != Opens::Now {
            return None;
        }
        let (worker, slot) = least_loaded(candidates, Some(beside))?;
        let entered = gate.enter(tool, namespace, now);
        Some(Place::new(worker, slot, entered, Arc::clone(self)))
    }

    /// A place is free again.
    fn freed(self: &Arc<Self>, entered: &[Bulk]) {
        let waited_for = {
            let mut gate = self.gate();
            gate.leave(entered);
            !gate.queue.is_empty()
        };
        if waited_for {
            self.pump();
        }
    }

    /// How long a call in the queue should rather stay away.
    fn stays_away(&self, tool: &ToolManifest) -> Option<Duration> {
        let wait = self.gate().stays_away(tool, self.patience, self.now());
        if wait.is_some() {
            self.metrics.call_held_back();
        }
        wait
    }

    fn why(&self, tool: &ToolManifest, namespace: &Namespace) -> NoPlace {
        self.gate().why(tool, namespace, self.now())
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
        // Where all of them are ejected, or rest, one of them is tried all the same.
        if chosen.iter().any(|worker| worker.standing == WorkerStanding::Taking) {
            chosen.retain(|worker| worker.standing == WorkerStanding::Taking);
        }
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

#[cfg(test)]
mod tests;
