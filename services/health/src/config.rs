//! The settings of the directory.

use std::time::Duration;

use holdfast_resilience::breaker::Policies;
use holdfast_resilience::outlier;
use holdfast_runtime::config::human_duration;
use serde::{Deserialize, Serialize};

/// The settings of the directory (DESIGN section 13).
#[derive(Debug, Clone)]
pub struct Config {
    /// How long a registration holds without renewal; a worker is called back each third of it.
    pub lease: Duration,
    /// After which time a worker is told to renew.
    pub renew_after: Duration,
    /// How many calls back in a row may fail before a worker counts as gone.
    pub missed: u32,
    /// How long the answer to a call back is waited for.
    pub check_timeout: Duration,
    /// How soon a worker is called back again after a call back failed.
    pub recheck: Duration,
    /// When breakers open and close.
    pub breakers: Policies,
    /// When a single worker is ejected.
    pub outlier: outlier::Policy,
    /// How the breakers are shared with other replicas, where there are any.
    pub sharing: Sharing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            renew_after: Duration::from_secs(5),
            missed: 3,
            check_timeout: Duration::from_secs(3),
            recheck: Duration::from_millis(200),
            breakers: Policies::default(),
            outlier: outlier::Policy::default(),
            sharing: Sharing::default(),
        }
    }
}

/// How the breakers are shared with other replicas, over Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharing {
    /// How long the replica that decides does so without a sign, before another takes its place; at least four times
    /// `every`.
    #[serde(with = "human_duration")]
    pub lease: Duration,
    /// How often replicas hear of each other, besides when there is news.
    #[serde(with = "human_duration")]
    pub every: Duration,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { lease: Duration::from_secs(3), every: Duration::from_millis(250) }
    }
}

impl Config {
    /// How long after a proof the next one is asked for.
    pub(crate) fn check_every(&self) -> Duration {
        self.lease / 3
    }
}
