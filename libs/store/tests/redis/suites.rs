//! The suites: the one for key tables on Redis alone, and all of the store's with Redis before its keys.

use std::sync::Arc;

use holdfast_store::suite::{Fixture, ManualClock};
use holdfast_store::{FrontedKeys, Fsync, RedisConfig, RedisKeys, SqliteConfig, SqliteStore};
use holdfast_testkit::Redis;

async fn sqlite() -> (Fixture, Redis, RedisConfig) {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("holdfast.db")) };
    let store = SqliteStore::open(config, clock.source()).await.unwrap();
    let redis = Redis::start().unwrap();
    let config = super::world::patient(&redis);
    (Fixture::new(store, clock, folder), redis, config)
}

/// A key table on Redis; the rest of the fixture is another store, which its cases don't touch.
pub async fn alone() -> Fixture {
    let (fixture, redis, config) = sqlite().await;
    let keys = RedisKeys::open(&config, Some(fixture.clock.source())).await.unwrap();
    Fixture { keys: Arc::new(keys), guard: Box::new((fixture.guard, redis)), ..fixture }
}

pub async fn fronted() -> Fixture {
    let (fixture, redis, config) = sqlite().await;
    let keys = FrontedKeys::new(fixture.keys, &config, Some(fixture.clock.source())).unwrap();
    Fixture { keys: Arc::new(keys), guard: Box::new((fixture.guard, redis)), ..fixture }
}

mod on_redis_alone {
    holdfast_store::key_table_suite!(crate::suites::alone);
}

mod with_redis_before_it {
    holdfast_store::suite!(crate::suites::fronted);
}
