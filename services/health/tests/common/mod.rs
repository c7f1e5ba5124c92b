//! Workers that answer call backs as a test says.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use holdfast_health::{Config, Deps, Health};
use holdfast_ports::{ExecuteStream, Tools};
use holdfast_runtime::{ManualClock, SeededEntropy};
use holdfast_telemetry::Metrics;
use holdfast_types::worker::{CallRef, Execute, FenceAnswer, ProbeAnswer, Recorded, WorkerInfo};
use holdfast_types::{Class, Effect, Failure, Key, Reason, Timestamp, ToolManifest, ToolName, WorkerId};

/// How all workers of a test answer.
#[derive(Default)]
pub struct Answers {
    mode: AtomicU8,
    pub checks: AtomicU32,
    pub dialled: Mutex<Vec<String>>,
}

impl Answers {
    pub fn well(&self) {
        self.mode.store(0, Ordering::SeqCst);
    }

    pub fn refused(&self) {
        self.mode.store(1, Ordering::SeqCst);
    }

    pub fn busy(&self) {
        self.mode.store(2, Ordering::SeqCst);
    }

    pub fn never(&self) {
        self.mode.store(3, Ordering::SeqCst);
    }

    pub fn count(&self) -> u32 {
        self.checks.load(Ordering::SeqCst)
    }
}

struct Fake(Arc<Answers>);

#[async_trait]
impl Tools for Fake {
    async fn execute(&self, _: Execute) -> Result<ExecuteStream, Failure> {
        unreachable!("the directory executes nothing")
    }
    async fn fence(&self, _: WorkerId, _: CallRef, _: u64) -> Result<FenceAnswer, Failure> {
        unreachable!("the directory fences nothing")
    }
    async fn cancel(&self, _: WorkerId, _: CallRef, _: u64, _: &str) -> Result<(), Failure> {
        unreachable!("the directory cancels nothing")
    }
    async fn ack(&self, _: WorkerId, _: Vec<Recorded>) -> Result<(), Failure> {
        unreachable!("the directory acks nothing")
    }
    async fn reconcile(
        &self,
        _: WorkerId,
        _: &ToolName,
        _: &Key,
        _: &serde_json::Value,
    ) -> Result<ProbeAnswer, Failure> {
        unreachable!("the directory probes nothing")
    }
    async fn check(&self, _: WorkerId) -> Result<(), Failure> {
        self.0.checks.fetch_add(1, Ordering::SeqCst);
        let failure = |class, reason| Failure::new(class, Effect::NotExecuted, reason, "not now");
        match self.0.mode.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(failure(Class::Transient, Reason::ConnectFailed)),
            2 => Err(failure(Class::RateLimited, Reason::NoCapacity)),
            _ => std::future::pending().await,
        }
    }
}

pub fn health() -> (Health, Arc<Answers>, Arc<ManualClock>) {
    health_with(Config::default())
}

pub fn health_with(config: Config) -> (Health, Arc<Answers>, Arc<ManualClock>) {
    health_measured(config, Metrics::no_op())
}

pub fn health_measured(config: Config, metrics: Arc<Metrics>) -> (Health, Arc<Answers>, Arc<ManualClock>) {
    let answers = Arc::<Answers>::default();
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
    let dial = {
        let answers = answers.clone();
        Arc::new(move |info: &WorkerInfo| {
            answers.dialled.lock().unwrap().push(info.address.clone());
            Arc::new(Fake(answers.clone())) as Arc<dyn Tools>
        })
    };
    let entropy = Arc::new(SeededEntropy::new(1));
    let deps = Deps { dial, clock: clock.clone(), entropy, share: None, metrics };
    (Health::new(config, deps), answers, clock)
}

pub fn manifest(tool: &str) -> ToolManifest {
    ToolManifest::new(ToolName::try_new(tool).unwrap(), serde_json::json!({"type": "object"}))
}

pub fn worker(number: u8, tools: &[&str]) -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::new(u64::from(number), [number; 10]),
        address: format!("127.0.0.1:{}", 7000 + u16::from(number)),
        slots: 25,
        tools: tools.iter().map(|tool| manifest(tool)).collect(),
    }
}
