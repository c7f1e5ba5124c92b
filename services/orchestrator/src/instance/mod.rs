//! One incarnation of an orchestrator: its session, the tasks it claims, and the drivers it keeps.

mod claims;
mod drivers;
mod hints;
mod reconcile;
mod release;
mod session;
mod tools;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_rpc::server::Readiness;
use holdfast_runtime::Shutdown;
use holdfast_types::journal::{Claimed, EventRow, PreviousLife};
use holdfast_types::{InstanceId, OwnerId, TaskId};
use tokio::sync::{Notify, mpsc, watch};

use crate::driver::{Claim, Control, Life};
use crate::error::Error;
use crate::lease::Lease;
use crate::shared::Shared;

/// An instance, shared by the API and the loops that keep it alive.
#[derive(Debug)]
pub(crate) struct Instance {
    id: InstanceId,
    shared: Arc<Shared>,
    // A std mutex: held for a look-up, never across an await.
    state: Mutex<State>,
    starts: mpsc::Sender<Start>,
    /// Something may be there to claim, or there is room again.
    look: Notify,
    /// Whether it has a session, or asks for its first one: without one, another replica is the better one to ask.
    readiness: watch::Sender<Readiness>,
}

#[derive(Debug, Default)]
struct State {
    /// The session under which tasks may be claimed.
    lease: Option<Arc<Lease>>,
    driven: HashMap<TaskId, Driven>,
    /// Owner ids of claims whose answer is awaited: the store may hold them, and nobody drives them yet.
    claiming: HashSet<OwnerId>,
    /// How often in a row a driver of the task failed in this process.
    failures: HashMap<TaskId, u32>,
}

#[derive(Debug)]
struct Driven {
    claim: Claim,
    lease: Arc<Lease>,
    control: Arc<Control>,
}

/// A life that a driver is to be started for.
#[derive(Debug)]
struct Start {
    lease: Arc<Lease>,
    control: Arc<Control>,
    life: Life,
    barren_lives: u32,
}

/// The receiving end of the starts: whoever has it keeps the drivers.
#[derive(Debug)]
pub(crate) struct Starts(mpsc::Receiver<Start>);

/// Room for one more driver, kept while a claim is under way.
#[derive(Debug)]
pub(crate) struct Reservation {
    instance: Arc<Instance>,
    lease: Arc<Lease>,
    owner: OwnerId,
}

impl Instance {
    pub(crate) fn new(shared: Arc<Shared>) -> (Arc<Self>, Starts) {
        // Every start has a reservation or a place among the driven, of which there are at most so many.
        let (starts, receiver) = mpsc::channel(shared.config.max_driven.max(1) * 2);
        let id = shared.deps.ids.instance();
        let readiness = watch::Sender::new(Readiness::Ready);
        let (state, look) = (Mutex::default(), Notify::new());
        let instance = Self { id, shared, state, starts, look, readiness };
        (Arc::new(instance), Starts(receiver))
    }

    /// Works until the shutdown's end: opens sessions, claims, drives, and gives everything back.
    ///
    /// If it is dropped, its drivers end where they are, as if the process had died.
    pub(crate) async fn run(self: Arc<Self>, mut starts: Starts, shutdown: Shutdown) -> Result<(), Error> {
        let result = tokio::select! {
            () = self.keep_drivers(&mut starts.0, &shutdown) => Ok(()),
            result = self.keep_session(&shutdown) => result,
            () = self.follow_hints() => Ok(()),
            () = self.follow_directory() => Ok(()),
            () = self.send_acks() => Ok(()),
            () = self.shared.places.keep() => Ok(()),
            () = self.keep_breakers() => Ok(()),
        };
        self.close().await;
        result
    }

    async fn keep_breakers(&self) {
        let shared = &self.shared;
        let directory = Arc::clone(&shared.deps.directory);
        tokio::join!(
            shared.breakers.run(Arc::clone(&shared.deps.breakers)),
            Arc::clone(&shared.breakers).make_own_trials(directory),
            self.follow_breakers(),
        );
    }

    async fn send_acks(&self) {
        self.shared.acks.run(Arc::clone(&self.shared.deps.directory)).await;
        std::future::pending().await
    }

    /// Reserves room to drive one more task; none without a session, during a drain, and where there is no room.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<Reservation> {
        let owner = self.shared.deps.ids.owner();
        let mut state = self.state();
        let lease = state.lease.clone().filter(|lease| lease.holds())?;
        if state.driven.len() + state.claiming.len() >= self.shared.config.max_driven {
            return None;
        }
        state.claiming.insert(owner);
        Some(Reservation { instance: Arc::clone(self), lease, owner })
    }

    fn start(&self, lease: &Arc<Lease>, shutdown: Shutdown, claimed: Claimed, events: Option<Vec<EventRow>>) {
        let Claimed { task, epoch, owner, last_seq, previous, barren_lives } = claimed;
        let claim = Claim { task, epoch, owner, last_seq };
        let control = Arc::new(Control::new(shutdown));
        let driven = Driven { claim, lease: Arc::clone(lease), control: Arc::clone(&control) };
        self.state().driven.insert(task, driven);
        let life = Life { claim, previous, events };
        let start = Start { lease: Arc::clone(lease), control, life, barren_lives };
        if self.starts.try_send(start).is_err() {
            // Nobody keeps drivers any more; what the store holds for this session ends with it.
            self.forget(claim);
        }
    }

    fn forget(&self, claim: Claim) {
        let mut state = self.state();
        if state.driven.get(&claim.task).is_some_and(|driven| driven.claim.owner == claim.owner) {
            state.driven.remove(&claim.task);
        }
        drop(state);
        self.look.notify_one();
    }

    /// Wakes the driver of a task, if it is here.
    pub(crate) fn hint(&self, task: TaskId) {
        let control = self.state().driven.get(&task).map(|driven| Arc::clone(&driven.control));
        match control {
            Some(control) => control.inbox.notify_one(),
            None => self.look.notify_one(),
        }
    }

    /// Whether the journal's store is reached, as it changes.
    pub(crate) fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// How many tasks are driven here.
    pub(crate) fn driving(&self) -> usize {
        self.state().driven.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held leaves no half-made entry: each change is one insertion or removal.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Who claims, under this reservation.
    pub(crate) fn claimant(&self) -> holdfast_types::journal::Claimant {
        holdfast_types::journal::Claimant { instance: self.lease.instance(), owner: self.owner }
    }

    /// Drives a task that was made under it.
    pub(crate) fn start(self, task: TaskId, epoch: u64, events: Vec<EventRow>) {
        let last_seq = events.last().map_or(0, |row| row.seq);
        let previous = PreviousLife::None;
        let claimed = Claimed { task, epoch, owner: self.owner, last_seq, previous, barren_lives: 0 };
        self.instance.start(&self.lease, self.lease.shutdown(), claimed, Some(events));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.instance.state().claiming.remove(&self.owner);
    }
}
