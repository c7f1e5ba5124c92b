//! What can go wrong before a Redis is in use.

use super::check::RedisFinding;

/// Why a Redis is not used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// A setting is wrong. The URL is not repeated: it may hold a password.
    #[error("redis.{setting}: {why}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It did not answer.
    #[error("Redis does not answer")]
    Unreachable(#[source] holdfast_ports::Error),
    /// It would lose more than it may.
    #[error("Redis keeps less than it must: {}", summary(findings))]
    Weaker {
        /// What it would have to be told.
        findings: Vec<RedisFinding>,
    },
}

fn summary(findings: &[RedisFinding]) -> String {
    let each: Vec<_> = findings.iter().map(ToString::to_string).collect();
    each.join("; ")
}
