//! The clock: wall time for what is recorded, boot time for what is measured.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_types::Timestamp;

/// An instant on a clock that starts with the machine and runs on while it is suspended.
///
/// Leases are counted on it (PROTOCOL 17): `std::time::Instant` stands still during a live migration, so that a
/// holder would believe in a lease that has ended. Instants of two processes on one machine compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootInstant(Duration);

impl BootInstant {
    /// Makes an instant from the time since the machine started.
    #[must_use]
    pub const fn from_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// Returns the time from `earlier` to this instant; zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns this instant plus `duration`, saturating at the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Tells the time: the only way to it above this crate.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the wall time, in microseconds. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Returns the time since the machine started, suspension included. It never goes back.
    fn boot(&self) -> BootInstant;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place where wall time is read
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }

    fn boot(&self) -> BootInstant {
        let read = rustix::time::clock_gettime(BOOT_CLOCK);
        let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(read.tv_nsec).unwrap_or(0);
        BootInstant(Duration::new(seconds, nanos))
    }
}

/// `CLOCK_MONOTONIC` stands still during suspension on Linux; elsewhere it is what comes nearest.
#[cfg(target_os = "linux")]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    // A std mutex: held for a copy, never across an await.
    reading: Mutex<(Timestamp, BootInstant)>,
}

impl ManualClock {
    /// Makes a clock that stands at `now`, with an hour since boot.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { reading: Mutex::new((now, BootInstant(Duration::from_secs(3_600)))) }
    }

    /// Moves wall and boot time on by `duration`.
    pub fn advance(&self, duration: Duration) {
        let mut reading = self.reading();
        *reading = (reading.0.after(duration), reading.1.after(duration));
    }

    /// Sets the wall clock alone, as a correction by NTP does.
    pub fn step_wall_to(&self, now: Timestamp) {
        self.reading().0 = now;
    }

    fn reading(&self) -> MutexGuard<'_, (Timestamp, BootInstant)> {
        // Nothing can panic while it is held, and a copied pair is never half written.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.reading().0
    }

    fn boot(&self) -> BootInstant {
        self.reading().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_tells_this_century_and_never_goes_back() {
        let year_2020 = Timestamp::from_micros(1_577_836_800_000_000);
        assert!(SystemClock.now() > year_2020);
        let first = SystemClock.boot();
        assert!(SystemClock.boot() >= first);
        assert!(first > BootInstant(Duration::ZERO));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_micros(1_000_000));
        let boot = clock.boot();
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now(), Timestamp::from_micros(2_500_000));
        assert_eq!(clock.boot().since(boot), Duration::from_millis(1_500));
        clock.step_wall_to(Timestamp::from_micros(0));
        assert_eq!(clock.now(), Timestamp::from_micros(0));
        assert_eq!(clock.boot().since(boot), Duration::from_millis(1_500), "a step moves no lease");
    }
}
