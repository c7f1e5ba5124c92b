//! The inboxes of tasks (PROTOCOL 10).

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_types::TaskId;
use holdfast_types::inbox::InboxMessage;

use crate::Result;

/// The inboxes of all tasks. Messages leave by the append that handles them.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Stores a message and sets the task's `wake_at` to now: one transaction. The same id again is success.
    ///
    /// # Errors
    /// `NotFound` where there is no such task.
    async fn put(&self, message: InboxMessage) -> Result<()>;

    /// Reads a task's messages, oldest first.
    async fn read(&self, task: TaskId) -> Result<Vec<InboxMessage>>;

    /// Yields tasks that got a message or were woken, as a hint: everything also works by polling.
    async fn wakeups(&self) -> Result<BoxStream<'static, TaskId>>;
}
