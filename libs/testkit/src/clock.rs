//! Wall and boot time that follow tokio's paused time.

use std::time::Duration;

use holdfast_runtime::{BootInstant, Clock};
use holdfast_types::Timestamp;
use tokio::time::Instant;

/// A clock that moves with tokio's: under `#[tokio::test(start_paused = true)]` a sleep of an hour takes no time,
/// and both clocks agree that an hour has passed.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    origin: Instant,
    starts_at: Timestamp,
}

impl VirtualClock {
    /// Where virtual time begins: 2026-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

    /// Makes a clock that stands at [`Self::START`] now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now(), starts_at: Self::START }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.starts_at.after(self.origin.elapsed())
    }

    fn boot(&self) -> BootInstant {
        // An hour since boot: a subtraction near the start does not end before it.
        BootInstant::from_boot(Duration::from_secs(3_600) + self.origin.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_paused_time() {
        let clock = VirtualClock::start();
        let boot = clock.boot();
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now().since(VirtualClock::START), Duration::from_secs(86_400));
        assert_eq!(clock.boot().since(boot), Duration::from_secs(86_400));
    }
}
