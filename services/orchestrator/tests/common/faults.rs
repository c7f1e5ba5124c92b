//! Ports that lose answers: what was asked for has happened, and nobody hears of it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_ports::{Error, Inbox, Journal, Leases, Renewal, Renewed, Result, Session};
use holdfast_types::inbox::InboxMessage;
use holdfast_types::journal::{
    Append, Appended, Claimed, Created, EventRow, Fork, Loaded, NewTask, Snapshot,
};
use holdfast_types::last_good::{LastGood, LastGoodKey};
use holdfast_types::restore::{MarkRestored, Marked, Restore};
use holdfast_types::{InstanceId, OwnerId, TaskId, Timestamp};

fn lost() -> Error {
    Error::Unavailable { what: "answer", why: "lost on the way".into(), retry_after: None }
}

fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

/// A journal whose next answers to appends, or to loads, are lost, and of which a test hears what it has written.
pub struct LossyJournal {
    pub inner: Arc<dyn Journal>,
    pub lose: AtomicU32,
    pub lose_loads: AtomicU32,
    /// Told the kinds of events that are durable, before whoever appended them is.
    pub written: Box<dyn Fn(&str) + Send + Sync>,
}

impl LossyJournal {
    pub fn new(inner: Arc<dyn Journal>) -> Self {
        let (lose, lose_loads) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { inner, lose, lose_loads, written: Box::new(|_| {}) }
    }
}

#[async_trait]
impl Journal for LossyJournal {
    async fn create(&self, task: NewTask) -> Result<Created> {
        self.inner.create(task).await
    }

    async fn fork(&self, fork: Fork) -> Result<Created> {
        self.inner.fork(fork).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let kinds: Vec<String> = append.events.iter().map(|event| event.kind.clone()).collect();
        let answer = self.inner.append(append).await?;
        kinds.iter().for_each(|kind| (self.written)(kind));
        if take(&self.lose) { Err(lost()) } else { Ok(answer) }
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        if take(&self.lose_loads) { Err(lost()) } else { self.inner.load(task).await }
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

    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        self.inner.last_good(key).await
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

    async fn mark_restored(&self, mark: MarkRestored) -> Result<Marked> {
        self.inner.mark_restored(mark).await
    }

    async fn restores(&self) -> Result<Vec<Restore>> {
        self.inner.restores().await
    }

    async fn next_wake(&self) -> Result<Option<Timestamp>> {
        self.inner.next_wake().await
    }
}

/// An inbox whose reads are always late: they also bring what was handled long ago.
pub struct StaleInbox {
    pub inner: Arc<dyn Inbox>,
    pub seen: Mutex<Vec<InboxMessage>>,
}

#[async_trait]
impl Inbox for StaleInbox {
    async fn put(&self, message: InboxMessage) -> Result<()> {
        self.inner.put(message).await
    }

    async fn read(&self, task: TaskId) -> Result<Vec<InboxMessage>> {
        let current = self.inner.read(task).await?;
        let mut seen = self.seen.lock().unwrap();
        for message in current {
            if seen.iter().all(|one| one.id != message.id) {
                seen.push(message);
            }
        }
        Ok(seen.clone())
    }

    async fn wakeups(&self) -> Result<BoxStream<'static, TaskId>> {
        self.inner.wakeups().await
    }
}
