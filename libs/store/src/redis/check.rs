//! What a Redis would lose, against what it must not (DESIGN section 5).

use std::collections::HashMap;

use holdfast_ports::Result;
use holdfast_types::Timestamp;

use super::config::{RedisConfig, RedisKeeps};
use super::error::RedisError;
use super::link::{Link, Lost};
use crate::OnLoss;

/// The oldest release on which the scripts are tried.
const OLDEST: u32 = 7;

/// What is wrong with one setting of a Redis, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFinding {
    /// Which setting.
    pub setting: &'static str,
    /// Its value; empty where it can't be read.
    pub found: String,
    /// What it has to be.
    pub wanted: &'static str,
    /// The command that mends it.
    pub mend: String,
}

impl std::fmt::Display for RedisFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setting, found, wanted, mend } = self;
        let found = if found.is_empty() { "not known" } else { found };
        write!(f, "{setting} is {found} and has to be {wanted} ({mend})")
    }
}

/// What is known of a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisReport {
    /// Its version.
    pub version: String,
    /// Its clock, to compare with others.
    pub clock: Timestamp,
    /// How many keys it holds.
    pub size: u64,
    /// Where it would lose more than the configuration allows.
    pub findings: Vec<RedisFinding>,
}

/// Asks a Redis what it keeps.
///
/// # Errors
/// A setting of ours is wrong, or it does not answer.
pub async fn check_redis(config: &RedisConfig) -> Result<RedisReport, RedisError> {
    let link = Link::new(config)?;
    let unreachable = |lost: Lost| RedisError::Unreachable(lost.of("check"));
    let info: String = link
        .run(async move |mut it| ::redis::cmd("INFO").arg("server").query_async(&mut it).await)
        .await
        .map_err(unreachable)?;
    let time: (i64, i64) = link
        .run(async move |mut it| ::redis::cmd("TIME").query_async(&mut it).await)
        .await
        .map_err(unreachable)?;
    let size: u64 = link
        .run(async move |mut it| ::redis::cmd("DBSIZE").query_async(&mut it).await)
        .await
        .map_err(unreachable)?;
    let settings = match settings(&link).await {
        Ok(settings) => settings,
        // Where somebody else runs it, its settings may be hidden: then nobody knows what it keeps.
        Err(Lost::Refused(_)) => HashMap::new(),
        Err(lost) => return Err(unreachable(lost)),
    };
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default();
    let clock = Timestamp::from_micros(time.0.saturating_mul(1_000_000).saturating_add(time.1));
    let findings = findings(config.keeps, version, &settings);
    Ok(RedisReport { version: version.to_owned(), clock, size, findings })
}

/// Checks, and refuses or warns as the configuration says.
pub(super) async fn at_start(config: &RedisConfig) -> Result<(), RedisError> {
    let report = check_redis(config).await?;
    match config.on_loss {
        OnLoss::Refuse if !report.findings.is_empty() => {
            Err(RedisError::Weaker { findings: report.findings })
        }
        OnLoss::Refuse | OnLoss::Warn => {
            for finding in &report.findings {
                tracing::warn!(%finding, "redis keeps less than it must");
            }
            Ok(())
        }
    }
}

async fn settings(link: &Link) -> Result<HashMap<String, String>, Lost> {
    link.run(async move |mut it| {
        let mut ask = ::redis::cmd("CONFIG");
        ask.arg("GET").arg("appendonly").arg("appendfsync").arg("maxmemory-policy");
        ask.query_async(&mut it).await
    })
    .await
}

fn findings(keeps: RedisKeeps, version: &str, settings: &HashMap<String, String>) -> Vec<RedisFinding> {
    let mut wanted: Vec<(&'static str, &'static [&'static str])> = Vec::new();
    if keeps >= RedisKeeps::AllButASecond {
        // An entry that is evicted is an operation that runs again.
        wanted.push(("maxmemory-policy", &["noeviction"]));
        wanted.push(("appendonly", &["yes"]));
        wanted.push(match keeps {
            RedisKeeps::Everything => ("appendfsync", &["always"]),
            _ => ("appendfsync", &["everysec", "always"]),
        });
    }
    let mut found = Vec::new();
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < OLDEST {
        let mend = "install Redis 7.0 or later".to_owned();
        found.push(RedisFinding {
            setting: "version",
            found: version.to_owned(),
            wanted: "7.0 or later",
            mend,
        });
    }
    for (setting, good) in wanted {
        let value = settings.get(setting).cloned().unwrap_or_default();
        if !good.contains(&value.as_str()) {
            let mend = format!("redis-cli CONFIG SET {setting} {}", good[0]);
            found.push(RedisFinding { setting, found: value, wanted: good[0], mend });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keeps: RedisKeeps, only: &str, fsync: &str, policy: &str) -> Vec<&'static str> {
        let settings = [("appendonly", only), ("appendfsync", fsync), ("maxmemory-policy", policy)];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        findings(keeps, "7.0.15", &settings).iter().map(|finding| finding.setting).collect()
    }

    #[test]
    fn each_durability_asks_for_its_settings() {
        assert!(of(RedisKeeps::Nothing, "no", "no", "allkeys-lru").is_empty());
        assert!(of(RedisKeeps::AllButASecond, "yes", "everysec", "noeviction").is_empty());
        assert!(of(RedisKeeps::AllButASecond, "yes", "always", "noeviction").is_empty());
        assert_eq!(of(RedisKeeps::AllButASecond, "no", "everysec", "noeviction"), ["appendonly"]);
        assert_eq!(of(RedisKeeps::AllButASecond, "yes", "no", "noeviction"), ["appendfsync"]);
        assert_eq!(of(RedisKeeps::Everything, "yes", "everysec", "noeviction"), ["appendfsync"]);
        assert_eq!(of(RedisKeeps::Everything, "yes", "always", "volatile-ttl"), ["maxmemory-policy"]);
    }

    #[test]
    fn what_is_hidden_or_old_is_a_finding() {
        let hidden = findings(RedisKeeps::Everything, "7.0.15", &HashMap::new());
        assert_eq!(hidden.len(), 3);
        assert!(hidden[1].to_string().contains("appendonly is not known"), "{}", hidden[1]);
        assert_eq!(findings(RedisKeeps::Nothing, "5.0.7", &HashMap::new())[0].setting, "version");
    }
}
