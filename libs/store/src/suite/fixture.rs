//! A fresh store with a clock that tests drive.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast_ports::{Blobs, Checkpoints, Inbox, Journal, Keys, Leases, Tasks};
use holdfast_types::Timestamp;

/// A store's clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl Default for ManualClock {
    fn default() -> Self {
        // 2026-01-01, so that tokens and ids look as they do in life.
        Self(Arc::new(AtomicI64::new(1_767_225_600_000_000)))
    }
}

impl ManualClock {
    /// The clock as stores take it.
    #[must_use]
    pub fn source(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Moves it back, as a bad time server does.
    pub fn step_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

/// The ports of one fresh, empty store.
pub struct Fixture {
    pub journal: Arc<dyn Journal>,
    pub tasks: Arc<dyn Tasks>,
    pub leases: Arc<dyn Leases>,
    pub keys: Arc<dyn Keys>,
    pub inbox: Arc<dyn Inbox>,
    pub blobs: Arc<dyn Blobs>,
    pub checkpoints: Arc<dyn Checkpoints>,
    /// The store's clock.
    pub clock: ManualClock,
    /// Whatever must live as long as the store: a folder, a server.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixture").finish_non_exhaustive()
    }
}

impl Fixture {
    /// A fixture over one value that implements all ports.
    pub fn new<S>(store: S, clock: ManualClock, guard: impl Any + Send + Sync) -> Self
    where
        S: Journal + Tasks + Leases + Keys + Inbox + Blobs + Checkpoints + 'static,
    {
        let store = Arc::new(store);
        Self {
            journal: Arc::clone(&store) as _,
            tasks: Arc::clone(&store) as _,
            leases: Arc::clone(&store) as _,
            keys: Arc::clone(&store) as _,
            inbox: Arc::clone(&store) as _,
            blobs: Arc::clone(&store) as _,
            checkpoints: store,
            clock,
            guard: Box::new(guard),
        }
    }
}
