//! Ports that lose answers: what was asked for has happened, and nobody hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_ports::{Error, Journal, Leases, Renewal, Renewed, Result, Session};
use holdfast_types::journal::{Append, Appended, Claimed, Created, EventRow, Loaded, NewTask, Snapshot};
use holdfast_types::{InstanceId, OwnerId, TaskId, Timestamp};

fn lost() -> Error {
    Error::Unavailable { what: "answer", why: "lost on the way".into(), retry_after: None }
}

fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

/// A journal whose next answers to appends are lost.
pub struct LossyJournal {
    pub inner: Arc<dyn Journal>,
    pub lose: AtomicU32,
}

#[async_trait]
impl Journal for LossyJournal {
    async fn create(&self, task: NewTask) -> Result<Created> {
        self.inner.create(task).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let answer = self.inner.append(append).await?;
        if take(&self.lose) { Err(lost()) } else { Ok(answer) }
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        self.inner.load(task).await
    }

    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>> {
        self.inner.events(task, after, limit).await
    }

    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>> {
        self.inner.follow(task, after).await
    }

    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()> {
        self.inner.put_snapshot(task, snapshot).await
    }
}

/// Leases whose next answers to claims are lost, and that can be cut off from renewals.
pub struct LossyLeases {
    pub inner: Arc<dyn Leases>,
    pub lose_claims: AtomicU32,
    pub cut_off: AtomicBool,
}

#[async_trait]
impl Leases for LossyLeases {
    async fn open(&self, instance: InstanceId) -> Result<Session> {
        if self.cut_off.load(Ordering::Acquire) {
            return Err(lost());
        }
        self.inner.open(instance).await
    }

    async fn renew(&self, renewal: Renewal) -> Result<Renewed> {
        if self.cut_off.load(Ordering::Acquire) {
            return Err(lost());
        }
        self.inner.renew(renewal).await
    }

    async fn close(&self, instance: InstanceId) -> Result<()> {
        self.inner.close(instance).await
    }

    async fn claim(&self, instance: InstanceId, owners: Vec<OwnerId>, limit: u32) -> Result<Vec<Claimed>> {
        let claimed = self.inner.claim(instance, owners, limit).await?;
        if !claimed.is_empty() && take(&self.lose_claims) { Err(lost()) } else { Ok(claimed) }
    }

    async fn claim_one(&self, instance: InstanceId, owner: OwnerId, task: TaskId) -> Result<Option<Claimed>> {
        self.inner.claim_one(instance, owner, task).await
    }

    async fn release(&self, task: TaskId, epoch: u64, owner: OwnerId) -> Result<()> {
        self.inner.release(task, epoch, owner).await
    }

    async fn next_wake(&self) -> Result<Option<Timestamp>> {
        self.inner.next_wake().await
    }
}
