//! The scripts: one a verb, each on one hash, whose name carries a hash tag.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::redis::{FromRedisValue, Script};
use holdfast_types::key::Key;

use super::config::RedisConfig;
use super::error::RedisError;
use super::link::{Link, Lost};
use crate::Clock;

macro_rules! scripts {
    ($($verb:ident = $file:literal;)+) => {
        $(pub(super) static $verb: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/entry.lua"), "\n", include_str!($file)))
        });)+
    };
}

scripts! {
    BEGIN = "lua/begin.lua";
    EXTEND = "lua/extend.lua";
    COMPLETE = "lua/complete.lua";
    RELEASE = "lua/release.lua";
    FAIL_FINAL = "lua/fail_final.lua";
    OFFER_EVIDENCE = "lua/offer_evidence.lua";
    GET = "lua/get.lua";
    FORGET = "lua/forget.lua";
    FILL = "lua/fill.lua";
    REVOKE = "lua/revoke.lua";
}

/// Which table a hash belongs to: the same key may stand in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// The whole key table.
    Whole,
    /// What stands before the index.
    Front,
}

/// Runs scripts on the hashes of one table.
pub(super) struct Scripts {
    pub(super) link: Arc<Link>,
    /// None: Redis's own clock.
    pub(super) clock: Option<Clock>,
    names: String,
}

impl Scripts {
    pub(super) fn new(config: &RedisConfig, table: Table, clock: Option<Clock>) -> Result<Self, RedisError> {
        let prefix = &config.prefix;
        check_prefix(prefix)?;
        let table = match table {
            Table::Whole => "key",
            Table::Front => "front",
        };
        Ok(Self { link: Link::new(config)?, clock, names: format!("{prefix}:{table}:{{") })
    }

    /// What the names of all hashes begin with.
    pub(super) fn names(&self) -> &str {
        &self.names
    }

    /// The name of a key's hash, and of the channel on which its waiters are told.
    pub(super) fn name(&self, key: &Key) -> String {
        format!("{}{key}}}", self.names)
    }

    /// The key whose hash has this name.
    pub(super) fn key(&self, name: &str) -> Option<Key> {
        let text = name.strip_prefix(&self.names)?.strip_suffix('}')?;
        Key::try_new(text).ok()
    }

    /// Runs a script on a key: one round trip, but after a start of Redis, which has forgotten the scripts.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &Key,
        arguments: &[&str],
    ) -> Result<T, Lost> {
        let now = self.clock.as_ref().map(|clock| clock().micros().to_string()).unwrap_or_default();
        self.link
            .run(async move |mut connection| {
                let mut call = script.key(self.name(key));
                call.arg(now);
                for argument in arguments {
                    call.arg(*argument);
                }
                call.invoke_async(&mut connection).await
            })
            .await
    }
}

/// A duration in microseconds, as scripts take it.
pub(super) fn micros(duration: Duration) -> String {
    duration.as_micros().to_string()
}

/// A duration in milliseconds, as scripts take it.
pub(super) fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Refuses a prefix that would make names which mean something else to Redis.
pub(super) fn check_prefix(prefix: &str) -> Result<(), RedisError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if prefix.is_empty() || !prefix.chars().all(plain) {
        let why = "it has letters, digits and -_.: only, at least one".to_owned();
        return Err(RedisError::Setting { setting: "prefix", why });
    }
    Ok(())
}
