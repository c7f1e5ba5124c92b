//! Shutdown in two stages: drain (finish what runs, take nothing new), then abort (stop now).

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody asked to stop.
    Running,
    /// Take no new work; finish or release what runs.
    Draining,
    /// Stop now: nothing is waited for.
    Aborting,
}

/// A node of the tree of shutdowns: ending a node ends its children, never its parent.
///
/// Cheap to clone; clones are the same node. Abort implies drain.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Makes the root of a tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a node below this one, which can be ended alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { drain: self.drain.child_token(), abort: self.abort.child_token() }
    }

    /// Begins to drain this node and those below it.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Ends this node and those below it at once.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Returns how far the end has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if self.abort.is_cancelled() {
            Stage::Aborting
        } else if self.drain.is_cancelled() {
            Stage::Draining
        } else {
            Stage::Running
        }
    }

    /// Waits until draining begins; returns at once if it has. Cancel-safe.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until everything is to stop; returns at once if it is. Cancel-safe.
    pub async fn aborting(&self) {
        self.abort.cancelled().await;
    }

    /// Drains, waits for `finished` at most for `grace` or until somebody aborts, then aborts.
    ///
    /// Returns whether `finished` came in time. If it is dropped, the drain stays begun and nothing is aborted.
    pub async fn drain_within<F: Future>(&self, grace: Duration, finished: F) -> bool {
        self.drain();
        let in_time = tokio::select! {
            _ = finished => true,
            () = tokio::time::sleep(grace) => false,
            () = self.aborting() => false,
        };
        self.abort();
        in_time
    }
}

/// Drains `shutdown` at the first SIGINT or SIGTERM and aborts it at the second; returns after the second.
///
/// Run it as a task of its own. Once it has been polled the process no longer dies from these signals.
///
/// # Errors
/// An I/O error where the handlers can't be installed.
pub async fn obey_signals(shutdown: Shutdown) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    for stage in [Stage::Draining, Stage::Aborting] {
        let name = tokio::select! {
            _ = interrupts.recv() => "SIGINT",
            _ = terminations.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, ?stage, "stopping");
        if stage == Stage::Draining { shutdown.drain() } else { shutdown.abort() }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_ends_with_its_parent_but_not_the_other_way() {
        let root = Shutdown::new();
        let (one, other) = (root.child(), root.child());
        one.abort();
        assert_eq!((root.stage(), other.stage()), (Stage::Running, Stage::Running));
        root.drain();
        other.draining().await;
        assert_eq!((one.stage(), other.stage()), (Stage::Aborting, Stage::Draining));
        root.abort();
        assert_eq!(other.stage(), Stage::Aborting);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_takes_too_long_ends_in_an_abort() {
        let shutdown = Shutdown::new();
        let in_time = shutdown.drain_within(Duration::from_secs(20), std::future::pending::<()>()).await;
        assert!(!in_time);
        assert_eq!(shutdown.stage(), Stage::Aborting);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_what_finishes() {
        let shutdown = Shutdown::new();
        let worker = shutdown.child();
        let finished = async move { worker.draining().await };
        assert!(shutdown.drain_within(Duration::from_secs(20), finished).await);
    }
}
