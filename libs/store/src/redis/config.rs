//! The settings of a Redis.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where Redis is: `redis://[user][:password@]host[:port][/db]`, or `unix:PATH`. It may hold a password, so it prints
/// and serializes as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Wraps a URL; it is read when Redis is opened.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Returns whether none was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The URL itself. Not to be logged.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for RedisUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "***" })
    }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

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

/// What to do at the start where Redis keeps less than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfWeaker {
    /// Don't start.
    Refuse,
    /// Start, and say so in the log.
    Warn,
}

/// The settings of a Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where it is; empty: there is none.
    pub url: RedisUrl,
    /// What the names of its hashes and channels begin with. Platforms that share a Redis must differ here, and one
    /// that got a new, empty store must not keep the name of the old one.
    pub prefix: String,
    /// How long one verb waits for it, a connection included.
    #[serde(with = "human")]
    pub timeout: Duration,
    /// How long it is not asked after it failed, where another can answer.
    #[serde(with = "human")]
    pub rest: Duration,
    /// How long what was read from the index is answered without asking the index again.
    #[serde(with = "human")]
    pub fresh: Duration,
    /// How often waiters look for themselves, besides being told.
    #[serde(with = "human")]
    pub poll: Duration,
    /// What it must not lose.
    pub keeps: RedisKeeps,
    /// What to do at the start where it keeps less.
    pub if_weaker: IfWeaker,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: RedisUrl::new(""),
            prefix: "holdfast".to_owned(),
            timeout: Duration::from_millis(100),
            rest: Duration::from_secs(2),
            fresh: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            keeps: RedisKeeps::Nothing,
            if_weaker: IfWeaker::Refuse,
        }
    }
}

impl RedisConfig {
    /// A configuration with the defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: RedisUrl::new(url), ..Self::default() }
    }
}

/// Durations as people write them: `100ms`, `2s`.
mod human {
    use std::time::Duration;

    use holdfast_types::time::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
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
