//! The settings of the service.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of the service (DESIGN section 13). Requests outside these bounds are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a right holds without `Extend`, where the caller does not say.
    pub default_lease: Duration,
    /// The shortest lease that a caller may ask for: a shorter one could end before its answer has arrived.
    pub shortest_lease: Duration,
    /// The longest lease: a holder that dies keeps others waiting for so long.
    pub longest_lease: Duration,
    /// The longest that a `Begin` may wait for another holder's end.
    pub longest_wait: Duration,
    /// How long a settled key is kept, where the caller does not say.
    pub default_retention: Duration,
    /// The longest retention.
    pub longest_retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_lease: Duration::from_secs(60),
            shortest_lease: Duration::from_millis(100),
            longest_lease: DAY,
            longest_wait: Duration::from_secs(60),
            default_retention: 7 * DAY,
            longest_retention: 3_660 * DAY,
        }
    }
}
