//! The keeper of one registration: calls the worker back, and ends the registration with its lease.

use std::sync::{Arc, Weak};

use holdfast_ports::Tools;
use holdfast_types::{Reason, WorkerId};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::directory::Directory;
use crate::registry::Check;

/// How long a registration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Until then, unless it is renewed.
    Until(Instant),
    /// As long as somebody in this process holds it.
    WhileHeld,
}

/// The keeper of one registration; its work ends when it is dropped.
pub(crate) struct Keeper {
    lease: watch::Sender<Lease>,
    nudge: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(
        directory: &Arc<Directory>,
        worker: WorkerId,
        tools: Arc<dyn Tools>,
        lease: Lease,
    ) -> Self {
        let (lease, leases) = watch::channel(lease);
        let nudge = Arc::new(Notify::new());
        let round = Round { directory: Arc::downgrade(directory), worker, tools };
        let first = Instant::now() + directory.config.check_every();
        let task = tokio::spawn(round.keep(leases, nudge.clone(), first));
        Self { lease, nudge, task }
    }

    pub(crate) fn renew(&self, lease: Lease) {
        self.lease.send_replace(lease);
    }

    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Round {
    /// Weak: the directory holds its keepers.
    directory: Weak<Directory>,
    worker: WorkerId,
    tools: Arc<dyn Tools>,
}

impl Round {
    async fn keep(self, mut leases: watch::Receiver<Lease>, nudge: Arc<Notify>, mut next: Instant) {
        loop {
            let lease = *leases.borrow_and_update();
            tokio::select! {
                () = sleep_until(next) => {}
                () = nudge.notified() => {}
                renewed = leases.changed() => match renewed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = end(lease) => {
                    if let Some(directory) = self.directory.upgrade() {
                        directory.remove(self.worker, "its lease ended");
                    }
                    return;
                }
            }
            let Some(directory) = self.directory.upgrade() else { return };
            let again_soon = self.check(&directory).await;
            let wait = if again_soon { directory.config.recheck } else { directory.config.check_every() };
            next = Instant::now() + wait;
        }
    }

    async fn check(&self, directory: &Directory) -> bool {
        let check = match directory.call_back(&*self.tools, self.worker).await {
            Ok(()) => Check::Proven(directory.clock.now()),
            Err(failure) if failure.reason == Reason::NoCapacity => Check::Busy,
            Err(failure) => {
                tracing::debug!(worker = %self.worker, %failure, "call back failed");
                Check::Missed
            }
        };
        directory.checked(self.worker, check)
    }
}

async fn end(lease: Lease) {
    match lease {
        Lease::Until(end) => sleep_until(end).await,
        Lease::WhileHeld => std::future::pending().await,
    }
}
