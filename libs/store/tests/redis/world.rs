//! A store, a Redis before its keys, and an index that says how often it was asked.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Durability, Error, KeyAnswer, Keys, Resolve, Result};
use holdfast_runtime::{Clock, SystemClock};
use holdfast_store::suite::{Driver, Fixture, ManualClock};
use holdfast_store::{FrontedKeys, Fsync, RedisConfig, SqliteConfig, SqliteStore};
use holdfast_testkit::Redis;
use holdfast_types::key::{Holder, Key, KeyRow, LateEvidence};
use holdfast_types::{Failure, Payload};
use serde_json::json;

pub const LEASE: Duration = Duration::from_secs(30);
pub const RETENTION: Duration = Duration::from_secs(3_600);
/// A bound that only a test that hangs meets.
pub const GUARD: Duration = Duration::from_secs(60);

/// A configuration whose bounds a busy machine does not meet.
pub fn patient(redis: &Redis) -> RedisConfig {
    RedisConfig { timeout: Duration::from_secs(10), ..RedisConfig::new(redis.url()) }
}

pub struct World {
    pub redis: Redis,
    pub store: SqliteStore,
    pub index: Arc<Watched>,
    pub keys: Arc<FrontedKeys>,
    /// The store behind the index, as the suite's helpers take it.
    pub fixture: Fixture,
    pub folder: tempfile::TempDir,
}

impl World {
    /// On the clocks of Redis and of the machine.
    pub async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub async fn with(change: impl FnOnce(RedisConfig) -> RedisConfig) -> Self {
        let redis = Redis::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let index = Arc::new(Watched::over(store.clone()));
        let keys = FrontedKeys::new(index.clone(), &change(patient(&redis)), None).unwrap();
        let fixture = Fixture::new(store.clone(), ManualClock::default(), ());
        Self { redis, store, index, keys: Arc::new(keys), fixture, folder }
    }

    /// Another process of the service, on the same Redis and the same store.
    pub fn another(&self) -> FrontedKeys {
        FrontedKeys::new(self.index.clone(), &patient(&self.redis), None).unwrap()
    }

    pub async fn begin(&self, key: &Key, name: &str) -> BeginAnswer {
        self.keys.begin(request(key, foreign(name))).await.unwrap()
    }

    pub async fn verify(&self, key: &Key, name: &str) -> BeginAnswer {
        let verify = Begin { resolve: Resolve::Verify, ..request(key, foreign(name)) };
        self.keys.begin(verify).await.unwrap()
    }

    pub async fn acquire(&self, key: &Key, name: &str) -> u64 {
        match self.begin(key, name).await {
            BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 } => token,
            other => panic!("{other:?}"),
        }
    }

    pub async fn complete(&self, key: &Key, token: u64, result: &str) -> KeyAnswer {
        self.keys.complete(key, token, text(result), RETENTION).await.unwrap()
    }

    /// Begins and completes, and asks once more, so that Redis holds it.
    pub async fn done(&self, key: &Key, name: &str, result: &str) -> u64 {
        let token = self.acquire(key, name).await;
        assert_eq!(self.complete(key, token, result).await, KeyAnswer::Ok);
        token
    }

    /// A task that has claimed a key.
    pub async fn claimed(&self, key: &Key) -> Driver {
        let mut driver = holdfast_store::suite::driven(&self.fixture).await;
        let claim = driver.claim(key);
        driver.append(&self.fixture, claim).await;
        driver
    }
}

/// A store in a folder, on the machine's clock.
pub async fn open(folder: &Path) -> SqliteStore {
    let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.join("holdfast.db")) };
    SqliteStore::open(config, Arc::new(|| SystemClock.now())).await.unwrap()
}

pub fn foreign(name: &str) -> Holder {
    Holder::Foreign(name.to_owned())
}

pub fn request(key: &Key, holder: Holder) -> Begin {
    Begin {
        key: key.clone(),
        fingerprint: holdfast_store::suite::fingerprint(1),
        holder,
        epoch: 0,
        lease: LEASE,
        resolve: Resolve::Report,
        repeat: None,
    }
}

pub fn text(text: &str) -> Payload {
    Payload::Json(json!(text))
}

pub fn is_completed(answer: &BeginAnswer, wanted: &str) -> bool {
    matches!(answer, BeginAnswer::Completed { result, .. } if *result == text(wanted))
}

/// An index that counts its calls, and can be out of reach.
pub struct Watched {
    inner: SqliteStore,
    pub begins: AtomicU64,
    pub reads: AtomicU64,
    pub gone: AtomicBool,
}

impl Watched {
    pub fn over(inner: SqliteStore) -> Self {
        Self { inner, begins: AtomicU64::new(0), reads: AtomicU64::new(0), gone: AtomicBool::new(false) }
    }

    pub fn calls(&self) -> u64 {
        self.begins.load(Ordering::SeqCst) + self.reads.load(Ordering::SeqCst)
    }

    fn reached(&self) -> Result<&SqliteStore> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(Error::Unavailable {
                what: "keys",
                why: "out of reach".to_owned(),
                retry_after: None,
            });
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Keys for Watched {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn begin(&self, begin: Begin) -> Result<BeginAnswer> {
        self.begins.fetch_add(1, Ordering::SeqCst);
        self.reached()?.begin(begin).await
    }

    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer> {
        self.reached()?.extend(key, token, lease).await
    }

    async fn complete(&self, key: &Key, token: u64, result: Payload, keep: Duration) -> Result<KeyAnswer> {
        self.reached()?.complete(key, token, result, keep).await
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        self.reached()?.release(key, token).await
    }

    async fn fail_final(&self, key: &Key, token: u64, failure: Failure, keep: Duration) -> Result<KeyAnswer> {
        self.reached()?.fail_final(key, token, failure, keep).await
    }

    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer> {
        self.reached()?.offer_evidence(key, holder, result).await
    }

    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.reached()?.get(key).await
    }

    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>> {
        self.reached()?.wait(key, wait).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>> {
        self.reached()?.list(prefix, after, limit).await
    }

    async fn forget(&self, key: &Key) -> Result<KeyAnswer> {
        self.reached()?.forget(key).await
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        Keys::prune(self.reached()?, limit).await
    }
}
