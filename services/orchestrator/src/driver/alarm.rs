//! The times at which a driver goes on by itself, and its one timer for all of them.

use std::pin::Pin;

use tokio::time::{Instant, Sleep};

use super::Driver;

/// What a driver goes on for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The inbox is read.
    Inbox,
    /// The engine is told the time.
    Tick,
    /// What is pending is sent without the evaluations that were waited for.
    Gathered,
    /// Calls that still run are left to their workers.
    DrainOver,
}

/// A timer that is set anew only where the time has changed: a driver waits several times a step, and mostly for the
/// same.
#[derive(Debug)]
pub(super) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Box::pin(tokio::time::sleep_until(Instant::now())))
    }

    /// Waits until an instant. Cancel-safe.
    pub(super) async fn at(&mut self, instant: Instant) {
        if self.0.deadline() != instant {
            self.0.as_mut().reset(instant);
        }
        self.0.as_mut().await;
    }
}

impl Driver {
    /// What comes next, if nothing else happens before.
    pub(super) fn next_due(&self) -> (Instant, Due) {
        let gathered = self.gather_until().filter(|_| self.evaluating > 0 && !self.writer.is_busy());
        let others = [
            (self.wake_in().map(|wait| Instant::now() + wait), Due::Tick),
            (gathered, Due::Gathered),
            (self.drain_ends(), Due::DrainOver),
        ];
        let others = others.into_iter().filter_map(|(at, due)| Some((at?, due)));
        let first = (self.next_read, Due::Inbox);
        others.fold(first, |next, other| if other.0 < next.0 { other } else { next })
    }
}
