//! How a store on PostgreSQL is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::{Timestamp, human_duration};
use serde::{Deserialize, Serialize};

use crate::{OnLoss, SecretUrl};

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where the database is.
    pub url: SecretUrl,
    /// How many connections there are at most, besides the writers'.
    pub connections: u32,
    /// How many batches of appends are under way at once; each has a connection.
    pub writers: u32,
    /// How long a statement may take; no verb waits much longer than twice that for the server.
    #[serde(with = "human_duration")]
    pub patience: Duration,
    /// How long a session lives without a renewal.
    #[serde(with = "human_duration")]
    pub lease: Duration,
    /// How long a settled key of a task is kept, at least. No setting of its own: the platform has one for all stores.
    #[serde(skip)]
    pub key_retention: Duration,
    /// How often followers and waiters look for themselves, besides being told by their own process.
    #[serde(with = "human_duration")]
    pub poll: Duration,
    /// What becomes of a server that may lose what it has answered.
    pub on_loss: OnLoss,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: SecretUrl::default(),
            connections: 8,
            writers: 2,
            patience: Duration::from_secs(15),
            lease: Duration::from_secs(10),
            key_retention: Duration::from_secs(7 * 24 * 3600),
            poll: Duration::from_millis(250),
            on_loss: OnLoss::Refuse,
        }
    }
}

impl PostgresConfig {
    /// A configuration with the defaults of DESIGN section 13.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: SecretUrl::new(url), ..Self::default() }
    }

    /// The server ends statements before: this is for one that does not answer at all.
    pub(super) fn silence(&self) -> Duration {
        self.patience + self.patience / 2
    }
}

/// Where a store's time comes from. All leases, retentions and wake-ups run on it; it is read once a transaction.
#[derive(Clone)]
pub enum PostgresClock {
    /// The database's own clock: the one that all replicas share.
    Database,
    /// A clock that a test drives.
    Given(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl fmt::Debug for PostgresClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "Database",
            Self::Given(_) => "Given",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_people_write_it_and_never_shows_its_password() {
        let config: PostgresConfig =
            serde_json::from_str(r#"{"url": "postgres://u:secret@db/h", "lease": "5s", "on_loss": "warn"}"#)
                .unwrap();
        assert_eq!((config.lease, config.on_loss), (Duration::from_secs(5), OnLoss::Warn));
        assert_eq!(config.url.expose(), "postgres://u:secret@db/h");
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
        assert!(serde_json::from_str::<PostgresConfig>(r#"{"unknown": 1}"#).is_err());
        let refused = serde_json::from_str::<PostgresConfig>(r#"{"url": 123456}"#).unwrap_err().to_string();
        assert!(!refused.contains("123456"), "{refused}");
    }
}
