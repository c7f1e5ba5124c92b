//! When a host is ejected, and for how long.

use std::time::Duration;

use crate::window::Span;

/// When a host is ejected, and for how long. A zero in `consecutive` or `failure_percent` turns that rule off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Ejected after this many failures in a row.
    pub consecutive: u32,
    /// Ejected at this share of failures, in percent, where those of its peers fail less than half as often.
    pub failure_percent: u8,
    /// The least calls, of it and of its peers, before a share counts.
    pub min_calls: u32,
    /// Over what shares are counted.
    pub window: Span,
    /// How old the last word of a peer may be to say something of the dependency.
    pub fresh: Duration,
    /// How long it is ejected the first time; the n-th time n times as long.
    pub base: Duration,
    /// The longest that it is ejected.
    pub cap: Duration,
    /// Times are spread by this part to both sides, in percent.
    pub jitter_percent: u8,
    /// How many of all hosts may be ejected at once, in percent; one always may.
    pub most_percent: u8,
}

impl Default for Policy {
    /// FACTS section 5, as Envoy and gRPC have them; with fewer calls, because agents make few.
    fn default() -> Self {
        Self {
            consecutive: 5,
            failure_percent: 85,
            min_calls: 10,
            window: Span::Time(Duration::from_secs(30)),
            fresh: Duration::from_secs(30),
            base: Duration::from_secs(30),
            cap: Duration::from_secs(300),
            jitter_percent: 10,
            most_percent: 10,
        }
    }
}

impl Policy {
    /// How long the n-th ejection lasts; `spread` draws a number from zero to the one that it is given. At least 1 ms.
    pub(super) fn time(&self, times: u32, spread: impl FnOnce(u64) -> u64) -> Duration {
        let whole = self.base.saturating_mul(times.max(1)).min(self.cap);
        let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
        let part = nanos / 100 * u64::from(self.jitter_percent.min(100));
        let jittered = (nanos - part).saturating_add(spread(part.saturating_mul(2)));
        Duration::from_nanos(jittered).min(self.cap).max(Duration::from_millis(1))
    }
}
