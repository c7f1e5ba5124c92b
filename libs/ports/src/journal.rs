//! The journal: the events of tasks, and the rows beside them.

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_types::TaskId;
use holdfast_types::journal::{
    Append, Appended, Created, EventRow, Fork, Loaded, NewTask, Snapshot, TaskFilter,
};
use holdfast_types::last_good::{LastGood, LastGoodKey};
use holdfast_types::task::TaskRow;

use crate::Result;

/// The journal of all tasks.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Creates a task with its first events, and claims it where a claimant is named: one transaction.
    ///
    /// Idempotent by id and digest. After an error the task may or may not exist: ask again with the same id.
    async fn create(&self, task: NewTask) -> Result<Created>;

    /// Creates a task that begins with a part of another: its row, its events with their blob references, and the
    /// reliance on each operation that it takes over, in one transaction that locks the source's row shared, so that
    /// retention can't take it away meanwhile (PROTOCOL 20).
    ///
    /// Idempotent as [`Journal::create`] is.
    ///
    /// # Errors
    /// `NotFound` where the source is gone; `Stale` where an operation that the fork relies on stands no more (undone,
    /// repeated or forgotten since the source was read). Nothing of it is written then.
    async fn fork(&self, fork: Fork) -> Result<Created>;

    /// Appends, all or nothing, together with key changes, handled messages and the row.
    ///
    /// The answer comes after the commit is durable. After an error nobody knows: send the same append again; its
    /// id makes the repeat harmless (PROTOCOL 9).
    async fn append(&self, append: Append) -> Result<Appended>;

    /// Loads what a task is made of: the newest snapshot and the events after it.
    ///
    /// # Errors
    /// `NotFound` where there is no such task.
    async fn load(&self, task: TaskId) -> Result<Loaded>;

    /// Reads up to `limit` events after a sequence number, in order.
    ///
    /// # Errors
    /// `NotFound` where there is no such task.
    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>>;

    /// Follows a task from after a sequence number, without end, in order and without gaps. What it yields is
    /// durable. A follower that is slow or vanishes costs nobody anything.
    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>>;

    /// Stores a snapshot. A snapshot is a hint: losing one costs reading more events. The append that finishes a task
    /// removes its snapshot, and one that comes later is not kept; both are success.
    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()>;

    /// Reads the newest result that an append has recorded under a key; none where there is none, or where its time
    /// is over. Who asks judges its age.
    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>>;
}

/// A request for one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most this many.
    pub size: u32,
    /// Where the page before ended; none: from the beginning.
    pub token: Option<String>,
}

/// One page of tasks, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<TaskRow>,
    /// The token of the next page; none: this was the last.
    pub next: Option<String>,
}

/// The rows of tasks.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Reads one row.
    ///
    /// # Errors
    /// `NotFound` where there is no such task.
    async fn get(&self, task: TaskId) -> Result<TaskRow>;

    /// Lists rows, newest first. A page reads no more rows than it shows, but for labels.
    ///
    /// # Errors
    /// `Invalid` for a page token that this store did not make.
    async fn list(&self, filter: TaskFilter, page: Page) -> Result<TaskPage>;

    /// Removes finished tasks that ended before `before` with all that only they refer to; at most `limit`.
    /// Returns how many were removed.
    async fn prune(&self, before: holdfast_types::Timestamp, limit: u32) -> Result<u32>;
}
