//! Sessions and leases of orchestrator instances, and the claiming of tasks (DESIGN section 4.2, PROTOCOL 9, 17, 18).

use std::time::Duration;

use async_trait::async_trait;
use holdfast_types::journal::Claimed;
use holdfast_types::restore::{MarkRestored, Marked, Restore};
use holdfast_types::{InstanceId, OwnerId, TaskId, Timestamp};

use crate::Result;

/// A session that was opened or renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The lease's length: the holder counts its end from the moment it *sent* the request.
    pub lease: Duration,
    /// The store's clock when it answered.
    pub store_time: Timestamp,
    /// How many instances have a session, this one included; 0: not known.
    pub instances: u32,
}

/// What an instance says at each renewal, so that ownership is reconciled (PROTOCOL 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The instance.
    pub instance: InstanceId,
    /// How many tasks it drives.
    pub driving: u64,
    /// XOR over the first eight bytes of the owner ids of all claims it drives, as big-endian numbers.
    pub digest: u64,
}

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The lease goes on.
    Ok(Session),
    /// The lease goes on, but the store thinks otherwise of who drives what: these claims stand in it.
    Differs {
        /// The session.
        session: Session,
        /// The claims of this instance in the store.
        claims: Vec<Claimed>,
    },
    /// The session has ended: the instance stops all its tasks and opens a new one.
    Ended,
}

/// Sessions, leases and claims. All times are the store's clock.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Opens a session: from now on the instance may claim.
    async fn open(&self, instance: InstanceId) -> Result<Session>;

    /// Renews the one lease of an instance, for all its tasks.
    async fn renew(&self, renewal: Renewal) -> Result<Renewed>;

    /// Ends a session: its claims are free at once. Used on shutdown after everything was given back, and by the
    /// keeper of an embedded store for former owners that its lock proves dead.
    async fn close(&self, instance: InstanceId) -> Result<()>;

    /// Ends a session early whose stream has ended: as [`close`](Self::close), but only where its last sign of life,
    /// its opening or a renewal through any replica, was at `since` or earlier by the store's clock. `since` is the
    /// `store_time` of the last [`Session`] that was answered on that stream. Returns whether it has ended one; its
    /// tasks are then told by the inboxes' wake-ups.
    ///
    /// An optimisation (PROTOCOL 18): whoever is wrong about an end costs a takeover, never a second effect. A store
    /// that can't tell, and every remote client, leaves the session to its lease.
    async fn end_if_silent_since(&self, _instance: InstanceId, _since: Timestamp) -> Result<bool> {
        Ok(false)
    }

    /// Claims up to `limit` tasks that want to be driven and that nobody holds: queued, woken, or of a session
    /// that has ended. Raises each task's epoch in the same transaction.
    async fn claim(&self, instance: InstanceId, owners: Vec<OwnerId>, limit: u32) -> Result<Vec<Claimed>>;

    /// Claims one task, if it wants to be driven and nobody holds it.
    async fn claim_one(&self, instance: InstanceId, owner: OwnerId, task: TaskId) -> Result<Option<Claimed>>;

    /// Gives a claim back without an append: the task is woken now. A claim that is not current any more is
    /// left alone.
    async fn release(&self, task: TaskId, epoch: u64, owner: OwnerId) -> Result<()>;

    /// Marks that the store came back from an older backup, unless an instance has a session. Each instance that opens
    /// one later finds the mark, so no task of before is driven without it. The same moment twice is one mark.
    ///
    /// # Errors
    /// `Invalid` for a moment in the future of the store's clock.
    async fn mark_restored(&self, mark: MarkRestored) -> Result<Marked>;

    /// The restores that were marked, oldest mark first. To be read after a session is open: what is marked later was
    /// refused for that session's sake.
    async fn restores(&self) -> Result<Vec<Restore>>;

    /// The earliest `wake_at` of a task that nobody holds; none where no task waits for a time.
    async fn next_wake(&self) -> Result<Option<Timestamp>>;
}
