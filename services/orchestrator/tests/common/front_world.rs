//! The platform of the tests about `Begin` beside the append.

use std::sync::Arc;
use std::time::Duration;

use super::front::{Front, Gated, Say};
use super::{Platform, Running, within};
use holdfast_orchestrator::{Config, Deps, KeyFront};
use holdfast_ports::{BeginAnswer, Keys};
use holdfast_types::Payload;
use holdfast_types::key::{Holder, Key, KeyState};
use serde_json::Value;
use tokio::sync::watch;

pub const KEYED: &str = "
holdfast: v1
name: keyed
steps:
  - { id: charge, tool: pay, key: order-7, args: {} }
";

pub fn order() -> Key {
    Key::try_new("default/pay/ns/order-7").unwrap()
}

pub fn somebody() -> Holder {
    Holder::Foreign("somebody".to_owned())
}

pub fn json_of(value: Value) -> Payload {
    Payload::Json(value)
}

pub fn in_progress() -> Say {
    Say::Answer(BeginAnswer::InProgress { holder: somebody(), until: None })
}

/// A platform with an idempotency service that a test scripts, a journal that it holds, and an index that it counts.
pub struct World {
    pub platform: Platform,
    pub front: Arc<Front>,
    pub index: Arc<Front>,
    pub journal: Arc<Gated>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Front, &mut Gated)) -> Self {
        let platform = Platform::new().await;
        let index = Arc::new(Front::over(Arc::new(platform.store.clone())));
        let mut front = Front::over(Arc::new(platform.store.clone()));
        let mut journal = Gated::over(Arc::clone(&platform.journal) as _);
        change(&mut front, &mut journal);
        Self { platform, front: Arc::new(front), index, journal: Arc::new(journal) }
    }

    pub fn deps(&self) -> Deps {
        Deps {
            front: KeyFront::Service(Arc::clone(&self.front) as _),
            keys: Arc::clone(&self.index) as _,
            journal: Arc::clone(&self.journal) as _,
            ..self.platform.deps()
        }
    }

    pub async fn start(&self) -> Running {
        self.platform.start_with(Config::default(), self.deps()).await
    }

    pub fn sent(&self) -> Vec<String> {
        self.platform.worker.deeds()
    }

    pub async fn row(&self, key: &Key) -> Option<KeyState> {
        self.platform.store.get(key).await.unwrap().map(|(row, _)| row.state)
    }
}

/// Waits until a counter has come to `count`.
pub async fn reaches(counter: &watch::Sender<usize>, count: usize) {
    within(async { counter.subscribe().wait_for(|now| *now >= count).await.map(|_| ()).unwrap() }).await;
}

/// Lets everything happen that can: what is sent without waiting for a word arrives in this time.
pub async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

impl World {
    /// Another instance whose journal nobody holds.
    pub async fn new_front(world: &Self) -> Running {
        let journal = Arc::clone(&world.platform.journal) as _;
        world.platform.start_with(Config::default(), Deps { journal, ..world.deps() }).await
    }
}
