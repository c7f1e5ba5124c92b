//! Wakes the tasks that wait for a tool when a worker comes, or a breaker lets calls through (DESIGN section 2). A hint: a task that nobody wakes looks
//! by itself, at growing distances.

use std::collections::HashSet;

use holdfast_ports::{DirectoryView, Page};
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::TaskFilter;
use holdfast_types::task::{TaskRow, WaitReason};
use holdfast_types::{MessageId, TaskStatus, WorkerId};

use super::Instance;

/// How many rows one read of the list takes.
const ROWS_A_READ: u32 = 1_000;

/// How many reads at most: what is not found in them looks by itself.
const READS: usize = 100;

impl Instance {
    /// Wakes what waits whenever a worker comes that was not there before; what is there at the start counts as come.
    pub(super) async fn follow_directory(&self) {
        let directory = &self.shared.deps.directory;
        let mut known: HashSet<WorkerId> = HashSet::new();
        let mut view = directory.view();
        loop {
            let live = workers(&view);
            if live.iter().any(|worker| !known.contains(worker))
                && let Err(error) = self.wake_waiting(WaitReason::ToolGone).await
            {
                tracing::warn!(%error, "tasks that wait for a tool are not woken; they look by themselves");
            }
            known = live;
            view = directory.changed(view.version).await;
        }
    }

    /// Wakes what waits for a breaker whenever one has closed. A trial wakes nobody who rests as a row: who waits looks
    /// again when it is due.
    pub(super) async fn follow_breakers(&self) {
        let mut closed = 0;
        loop {
            closed = self.shared.breakers.close_again(closed).await;
            if let Err(error) = self.wake_waiting(WaitReason::CircuitOpen).await {
                tracing::warn!(%error, "tasks that wait for a breaker are not woken; they look by themselves");
            }
        }
    }

    async fn wake_waiting(&self, reason: WaitReason) -> holdfast_ports::Result<()> {
        let filter = TaskFilter { statuses: vec![TaskStatus::Waiting], ..TaskFilter::default() };
        let mut token = None;
        for _ in 0..READS {
            let page = Page { size: ROWS_A_READ, token };
            let read = self.shared.deps.tasks.list(filter.clone(), page).await?;
            for row in read.tasks.iter().filter(|row| row.waits_for == Some(reason)) {
                self.shared.deps.inbox.put(self.wake_up(row)).await?;
            }
            token = read.next;
            if token.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn wake_up(&self, row: &TaskRow) -> InboxMessage {
        InboxMessage {
            id: once_a_wait(row),
            task: row.id,
            at: self.shared.deps.clock.now(),
            from: None,
            message: Message::ToolsChanged,
        }
    }
}

fn workers(view: &DirectoryView) -> HashSet<WorkerId> {
    view.workers.iter().map(|worker| worker.info.id).collect()
}

/// The same for every instance that sees the change: the task is woken once.
fn once_a_wait(row: &TaskRow) -> MessageId {
    let mut tail = [0; 10];
    tail.copy_from_slice(&row.id.bytes()[6..]);
    MessageId::new(row.last_seq, tail)
}
