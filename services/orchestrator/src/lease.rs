//! The lease of one session, as its holder counts it (PROTOCOL 17).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_runtime::{BootInstant, Clock, Shutdown};
use holdfast_types::InstanceId;
use holdfast_types::restore::Restore;
use tokio_util::sync::CancellationToken;

/// A session's lease. Its end is counted from when the request was sent, on a clock that runs through suspension,
/// and comes earlier by a margin: the holder stops before another may start.
#[derive(Debug)]
pub(crate) struct Lease {
    instance: InstanceId,
    clock: Arc<dyn Clock>,
    margin: Duration,
    /// The restores that were marked before the session was open.
    restores: Vec<Restore>,
    // A std mutex: held for a copy, never across an await.
    ends: Mutex<BootInstant>,
    over: CancellationToken,
    shutdown: Shutdown,
}

impl Lease {
    /// Makes the lease of a session whose opening was sent at `sent`.
    pub(crate) fn new(
        instance: InstanceId,
        clock: Arc<dyn Clock>,
        margin: Duration,
        sent: BootInstant,
        length: Duration,
        shutdown: Shutdown,
    ) -> Self {
        let ends = Mutex::new(sent.after(length.saturating_sub(margin)));
        Self { instance, clock, margin, restores: Vec::new(), ends, over: CancellationToken::new(), shutdown }
    }

    /// With the restores that were marked before the session was open, oldest mark first.
    pub(crate) fn knowing(self, restores: Vec<Restore>) -> Self {
        Self { restores, ..self }
    }

    /// The session's instance.
    pub(crate) const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The restores that were marked before the session was open, oldest mark first.
    pub(crate) fn restores(&self) -> &[Restore] {
        &self.restores
    }

    /// The end of the process in which the session lives.
    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Prolongs it by an answer to a request that was sent at `sent`.
    pub(crate) fn renewed(&self, sent: BootInstant, length: Duration) {
        let ends = sent.after(length.saturating_sub(self.margin));
        let mut current = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (*current).max(ends);
    }

    /// Says whether new attempts may start under it.
    pub(crate) fn holds(&self) -> bool {
        !self.over.is_cancelled() && self.left() > Duration::ZERO
    }

    /// How long it still holds.
    pub(crate) fn left(&self) -> Duration {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).since(self.clock.boot())
    }

    /// Ends it, for all that runs under it.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// Waits until it has ended. Cancel-safe.
    pub(crate) async fn ended(&self) {
        self.over.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use holdfast_runtime::{Ids, ManualClock};
    use holdfast_types::Timestamp;

    use super::*;

    #[test]
    fn it_ends_a_margin_early_counted_from_the_request() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1)));
        let sent = clock.boot();
        clock.advance(Duration::from_secs(1));
        let (ten, two) = (Duration::from_secs(10), Duration::from_secs(2));
        let lease = Lease::new(Ids::system().instance(), clock.clone(), two, sent, ten, Shutdown::new());
        assert_eq!(lease.left(), Duration::from_secs(7));
        clock.step_wall_to(Timestamp::from_micros(i64::MAX));
        assert!(lease.holds(), "a step of the wall clock moves no lease");
        clock.advance(Duration::from_secs(7));
        assert!(!lease.holds());
        lease.renewed(clock.boot(), ten);
        assert!(lease.holds());
        lease.end();
        assert!(!lease.holds());
    }
}
