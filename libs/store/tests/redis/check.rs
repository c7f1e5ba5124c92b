//! What a Redis keeps, against what it must.

use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use holdfast_store::{OnLoss, RedisConfig, RedisError, RedisKeeps, RedisKeys, check_redis};
use holdfast_testkit::{Kept, Redis};

use super::world::patient;

#[tokio::test]
async fn a_redis_that_keeps_enough_has_no_findings() {
    let redis = Redis::keeping(Kept::Everything).unwrap();
    redis.ask(&["SET", "a", "1"]).unwrap();
    let config = RedisConfig { keeps: RedisKeeps::Everything, ..patient(&redis) };
    let report = check_redis(&config).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(!report.version.is_empty());
    assert_eq!(report.size, 1);
    let skew = report.clock.since(SystemClock.now()).max(SystemClock.now().since(report.clock));
    assert!(skew < Duration::from_secs(60), "one machine has one clock: {skew:?}");
    RedisKeys::open(&config, None).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_keeps_too_little_is_refused_or_warned_of() {
    let redis = Redis::start().unwrap();
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let config = RedisConfig { keeps: RedisKeeps::AllButASecond, ..patient(&redis) };
    let Err(RedisError::Weaker { findings }) = RedisKeys::open(&config, None).await else { panic!() };
    let settings: Vec<_> = findings.iter().map(|finding| finding.setting).collect();
    assert_eq!(settings, ["maxmemory-policy", "appendonly"]);
    // Each says what mends it.
    for finding in &findings {
        let command: Vec<_> = finding.mend.split(' ').skip(1).collect();
        redis.ask(&command).unwrap();
    }
    RedisKeys::open(&config, None).await.unwrap();
    let everything = RedisConfig { keeps: RedisKeeps::Everything, ..config };
    assert!(RedisKeys::open(&everything, None).await.is_err());
    RedisKeys::open(&RedisConfig { on_loss: OnLoss::Warn, ..everything }, None).await.unwrap();
}

#[tokio::test]
async fn settings_that_are_hidden_are_findings() {
    let redis = Redis::keeping(Kept::Everything).unwrap();
    redis.ask(&["ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all", "-config"]).unwrap();
    let url = format!("redis://guest:pw@127.0.0.1:{}", redis.port());
    let config = RedisConfig { keeps: RedisKeeps::Everything, ..RedisConfig::new(url) };
    let config = RedisConfig { timeout: Duration::from_secs(10), ..config };
    let report = check_redis(&config).await.unwrap();
    assert_eq!(report.findings.len(), 3);
    assert!(report.findings.iter().all(|finding| finding.found.is_empty()));
}

#[tokio::test]
async fn what_can_not_be_used_is_said_without_the_password() {
    let nobody = RedisConfig::new("redis://:hush@127.0.0.1:1");
    let error = RedisKeys::open(&nobody, None).await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable(_)));
    assert!(!format!("{error:?}").contains("hush"));
    let odd = RedisKeys::open(&RedisConfig::new("http://:hush@h"), None).await.unwrap_err();
    assert!(
        matches!(odd, RedisError::Setting { setting: "url", .. }) && !format!("{odd:?}").contains("hush")
    );
    let redis = Redis::start().unwrap();
    let braces = RedisConfig { prefix: "a{b}".to_owned(), ..patient(&redis) };
    assert!(matches!(
        RedisKeys::open(&braces, None).await,
        Err(RedisError::Setting { setting: "prefix", .. })
    ));
}
