//! The settings of a Redis.

use std::time::Duration;

use holdfast_types::human_duration;
use serde::{Deserialize, Serialize};

use crate::{OnLoss, SecretUrl};

/// What a Redis must not lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisKeeps {
    /// Anything may be lost: the key table in the journal's store decides, and Redis is its fast front.
    Nothing,
    /// The last second may be lost (`appendonly yes`, `appendfsync everysec`).
    AllButASecond,
    /// Nothing that was answered may be lost (`appendonly yes`, `appendfsync always`).
    Everything,
}

/// The settings of a Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where it is; empty: there is none.
    pub url: SecretUrl,
    /// What the names of its hashes and channels begin with. Platforms that share a Redis must differ here, and one
    /// that got a new, empty store must not keep the name of the old one.
    pub prefix: String,
    /// How long one verb waits for it, a connection included.
    #[serde(with = "human_duration")]
    pub timeout: Duration,
    /// How long it is not asked after it failed, where another can answer.
    #[serde(with = "human_duration")]
    pub rest: Duration,
    /// How long what was read from the index is answered without asking the index again.
    #[serde(with = "human_duration")]
    pub fresh: Duration,
    /// How often waiters look for themselves, besides being told.
    #[serde(with = "human_duration")]
    pub poll: Duration,
    /// What it must not lose.
    pub keeps: RedisKeeps,
    /// What to do at the start where it keeps less.
    pub on_loss: OnLoss,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: SecretUrl::new(""),
            prefix: "holdfast".to_owned(),
            timeout: Duration::from_millis(100),
            rest: Duration::from_secs(2),
            fresh: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            keeps: RedisKeeps::Nothing,
            on_loss: OnLoss::Refuse,
        }
    }
}

impl RedisConfig {
    /// A configuration with the defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: SecretUrl::new(url), ..Self::default() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_never_shown() {
        let config = RedisConfig::new("redis://:hush@cache:6379");
        assert!(!format!("{config:?}").contains("hush"));
        let shown = serde_json::to_string(&config).unwrap();
        assert!(!shown.contains("hush") && shown.contains("\"timeout\":\"100ms\""), "{shown}");
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let read: RedisConfig =
            serde_json::from_str(r#"{"url":"redis://h","timeout":"50ms","keeps":"all_but_a_second"}"#)
                .unwrap();
        let wanted = RedisConfig {
            timeout: Duration::from_millis(50),
            keeps: RedisKeeps::AllButASecond,
            ..RedisConfig::new("redis://h")
        };
        assert_eq!(read, wanted);
        assert!(serde_json::from_str::<RedisConfig>(r#"{"host":"h"}"#).is_err());
    }
}
