//! What a plan or a tool says about retries. The arithmetic is in `holdfast-resilience`.

use std::time::Duration;

use crate::time;

closed_list! {
    /// How a backoff is spread (FACTS section 1, AWS's names).
    pub enum Jitter {
        /// Uniform between zero and the exponential step.
        Full = "FULL",
        /// Half the step, plus uniform up to the other half.
        Equal = "EQUAL",
        /// Uniform between the base and three times the last wait.
        Decorrelated = "DECORRELATED",
        /// None: the exponential step itself.
        None = "NONE",
    }
}

/// How a call is tried again. What may be retried at all is the classifier's matter, not the policy's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The first step of the backoff.
    #[serde(with = "time::millis")]
    pub base: Duration,
    /// The largest step of the backoff.
    #[serde(with = "time::millis")]
    pub cap: Duration,
    /// How waits are spread.
    pub jitter: Jitter,
}

impl Default for RetryPolicy {
    /// DESIGN section 13: 4 attempts, base 50 ms, cap 20 s, full jitter.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(20),
            jitter: Jitter::Full,
        }
    }
}

impl RetryPolicy {
    /// The policy that tries once.
    #[must_use]
    pub fn none() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }
}

/// What a plan's author says over a tool's own policy; what is absent stays the tool's.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct RetryOverride {
    /// Attempts in all, the first included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The first step of the backoff.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub base: Option<Duration>,
    /// The largest step of the backoff.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub cap: Option<Duration>,
    /// How waits are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
}

impl RetryOverride {
    /// Lays what is said here over `policy`.
    #[must_use]
    pub fn over(&self, policy: &RetryPolicy) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.max_attempts.unwrap_or(policy.max_attempts).max(1),
            base: self.base.unwrap_or(policy.base),
            cap: self.cap.unwrap_or(policy.cap),
            jitter: self.jitter.unwrap_or(policy.jitter),
        }
    }
}
