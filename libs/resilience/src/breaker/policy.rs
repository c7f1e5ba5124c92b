//! When a breaker opens, for how long, and how it closes again.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::time;

use crate::backoff::uniform;
use crate::window::{Counts, Span};

/// When a breaker opens, for how long, and how it closes again. A zero in `consecutive`, `failure_percent` or
/// `slow_percent` turns that rule off.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Policy {
    /// Over what rates are counted.
    pub window: Span,
    /// The least calls in the window before a rate counts.
    pub min_calls: u32,
    /// Opens at this rate of failures, in percent.
    pub failure_percent: u8,
    /// Opens at this rate of slow calls, in percent.
    pub slow_percent: u8,
    /// A call that takes longer is slow.
    #[serde(with = "time::millis")]
    pub slow_after: Duration,
    /// Opens after this many failures in a row.
    pub consecutive: u32,
    /// The first open time.
    #[serde(with = "time::millis")]
    pub open: Duration,
    /// The longest open time, unless the dependency asks for more.
    #[serde(with = "time::millis")]
    pub open_cap: Duration,
    /// Open times are spread by this part to both sides, in percent.
    pub open_jitter_percent: u8,
    /// After being closed for this long the next open time is the first one again.
    #[serde(with = "time::millis")]
    pub healthy_after: Duration,
    /// For how long a trial's lease holds until its call begins.
    #[serde(with = "time::millis")]
    pub trial_lease: Duration,
    /// How long a trial may run before it counts as failed.
    #[serde(with = "time::millis")]
    pub trial_timeout: Duration,
    /// How many trials in a row must succeed to close it; at least 1.
    pub successes: u32,
}

/// The policies of all breakers: one for those that have none of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Of each dependency that is not named.
    pub usual: Policy,
    /// By dependency.
    pub own: BTreeMap<String, Policy>,
}

impl Policies {
    /// The policy of a dependency's breaker.
    #[must_use]
    pub fn of(&self, dependency: &str) -> &Policy {
        self.own.get(dependency).unwrap_or(&self.usual)
    }
}

impl From<Policy> for Policies {
    fn from(usual: Policy) -> Self {
        Self { usual, own: BTreeMap::new() }
    }
}

impl Default for Policy {
    /// DESIGN section 6 and FACTS section 10: agents make few calls, so it trips on few.
    fn default() -> Self {
        Self {
            window: Span::Time(Duration::from_secs(30)),
            min_calls: 5,
            failure_percent: 50,
            slow_percent: 80,
            slow_after: Duration::from_secs(60),
            consecutive: 5,
            open: Duration::from_secs(5),
            open_cap: Duration::from_secs(300),
            open_jitter_percent: 20,
            healthy_after: Duration::from_secs(300),
            trial_lease: Duration::from_secs(5),
            trial_timeout: Duration::from_secs(30),
            successes: 2,
        }
    }
}

/// Which rule opened a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trip {
    Consecutive,
    FailureRate,
    SlowRate,
}

impl Policy {
    pub(super) fn trips(&self, counts: Counts, in_a_row: u32) -> Option<Trip> {
        let enough = counts.calls >= u64::from(self.min_calls.max(1));
        let reaches = |part: u64, percent: u8| {
            percent > 0 && enough && part.saturating_mul(100) >= counts.calls.saturating_mul(percent.into())
        };
        if self.consecutive > 0 && in_a_row >= self.consecutive {
            Some(Trip::Consecutive)
        } else if reaches(counts.failed, self.failure_percent) {
            Some(Trip::FailureRate)
        } else if reaches(counts.slow, self.slow_percent) {
            Some(Trip::SlowRate)
        } else {
            None
        }
    }

    /// The open time after `level` openings without sustained health between; at least 1 ms.
    pub(super) fn open_time(&self, level: u32, random: u64) -> Duration {
        let factor = 1u32.checked_shl(level).unwrap_or(u32::MAX);
        let step = self.open.saturating_mul(factor).min(self.open_cap);
        let nanos = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        let spread = nanos / 100 * u64::from(self.open_jitter_percent.min(100));
        let least = nanos - spread;
        let jittered = least.saturating_add(uniform(random, spread.saturating_mul(2)));
        Duration::from_nanos(jittered).min(self.open_cap).max(Duration::from_millis(1))
    }
}
