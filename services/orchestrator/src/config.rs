//! The section `[orchestrator]`.

use std::time::Duration;

use holdfast_resilience::breaker::Policies;
use holdfast_runtime::config::human_duration;

use crate::Limits;

/// How an orchestrator works. The defaults are DESIGN section 13's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often the lease is renewed.
    #[serde(with = "human_duration")]
    pub renew_every: Duration,
    /// How long before the lease's end an instance whose renewals fail stops its work.
    #[serde(with = "human_duration")]
    pub lease_margin: Duration,
    /// How often tasks without a driver and inboxes are looked for, besides at every hint.
    #[serde(with = "human_duration")]
    pub poll_every: Duration,
    /// How many tasks one claim takes at most.
    pub claim_batch: u32,
    /// How many tasks this instance drives at once; waiting ones are not driven.
    pub max_driven: usize,
    /// How many unfinished tasks a namespace may have.
    pub queue_limit: u64,
    /// How long a drain may take; calls that still run after half of it are left to their workers.
    #[serde(with = "human_duration")]
    pub drain: Duration,
    /// A task that waits for longer than this is given back instead of slept for.
    #[serde(with = "human_duration")]
    pub give_back_after: Duration,
    /// How long an append waits for evaluations under way, so that a result and the next intent are one commit.
    #[serde(with = "human_duration")]
    pub gather: Duration,
    /// How long after its intent an attempt may begin at its worker.
    #[serde(with = "human_duration")]
    pub begin_within: Duration,
    /// How long past its timeout an attempt's worker may be silent before the connection counts as lost.
    #[serde(with = "human_duration")]
    pub attempt_grace: Duration,
    /// The least time for which a worker must be silent before a call with a `heartbeat_timeout` counts as hung: three of
    /// a worker's heartbeats.
    #[serde(with = "human_duration")]
    pub worker_silence: Duration,
    /// How long a worker that hosts a call's tool is waited for in place. After that the call waits as a row, or a
    /// fallback stands in, or it is skipped.
    #[serde(with = "human_duration")]
    pub host_patience: Duration,
    /// When the breakers open and close that this instance decides alone: the section `[breakers]`, of its own. The owner's
    /// rule holds as soon as it can be heard.
    #[serde(skip)]
    pub breakers: Policies,
    /// How many lives without a new outcome a task may have before it is quarantined.
    pub poison_lives: u32,
    /// What one tool and one namespace may take: the section `[limits]`, of its own.
    #[serde(skip)]
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            renew_every: Duration::from_secs(3),
            lease_margin: Duration::from_secs(2),
            poll_every: Duration::from_secs(1),
            claim_batch: 32,
            max_driven: 1_000,
            queue_limit: 10_000,
            drain: Duration::from_secs(20),
            give_back_after: Duration::from_secs(2),
            gather: Duration::from_millis(2),
            begin_within: Duration::from_secs(5),
            attempt_grace: Duration::from_secs(2),
            worker_silence: Duration::from_secs(15),
            host_patience: Duration::from_secs(5),
            breakers: Policies::default(),
            poison_lives: 3,
            limits: Limits::default(),
        }
    }
}
