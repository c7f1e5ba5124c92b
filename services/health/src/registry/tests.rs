#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use holdfast_ports::ExecuteStream;
use holdfast_types::worker::{CallRef, Execute, FenceAnswer, ProbeAnswer, Recorded};
use holdfast_types::{Failure, Key, ToolManifest};
use proptest::prelude::*;

use super::*;

/// A worker that the registry never calls.
struct Uncalled;

#[async_trait]
impl Tools for Uncalled {
    async fn execute(&self, _: Execute) -> Result<ExecuteStream, Failure> {
        unreachable!()
    }
    async fn fence(&self, _: WorkerId, _: CallRef, _: u64) -> Result<FenceAnswer, Failure> {
        unreachable!()
    }
    async fn cancel(&self, _: WorkerId, _: CallRef, _: u64, _: &str) -> Result<(), Failure> {
        unreachable!()
    }
    async fn ack(&self, _: WorkerId, _: Vec<Recorded>) -> Result<(), Failure> {
        unreachable!()
    }
    async fn reconcile(
        &self,
        _: WorkerId,
        _: &ToolName,
        _: &Key,
        _: &serde_json::Value,
    ) -> Result<ProbeAnswer, Failure> {
        unreachable!()
    }
    async fn check(&self, _: WorkerId) -> Result<(), Failure> {
        unreachable!()
    }
}

fn worker(number: u8) -> WorkerId {
    WorkerId::new(u64::from(number), [number; 10])
}

fn put(registry: &mut Registry, number: u8, address: &str, tool: &str, now: i64) {
    let manifest = ToolManifest::new(ToolName::try_new(tool).unwrap(), serde_json::json!({}));
    let info = WorkerInfo { id: worker(number), address: address.into(), slots: 1, tools: vec![manifest] };
    registry.put(Arc::new(info), Arc::new(Uncalled), Timestamp::from_micros(now));
}

fn live(registry: &Registry) -> Vec<WorkerId> {
    registry
        .view(0, |_| holdfast_ports::Standing::Taking)
        .workers
        .iter()
        .map(|worker| worker.info.id)
        .collect()
}

#[test]
fn missed_calls_back_in_a_row_end_a_life_and_a_proof_begins_it_again() {
    let mut registry = Registry::default();
    put(&mut registry, 1, "h:1", "a", 0);
    assert_eq!(registry.checked(worker(1), Check::Missed, 3), Change::None);
    assert_eq!(registry.checked(worker(1), Check::Missed, 3), Change::None);
    assert_eq!(registry.checked(worker(1), Check::Proven(Timestamp::from_micros(5)), 3), Change::None);
    for _ in 0..2 {
        assert_eq!(registry.checked(worker(1), Check::Missed, 3), Change::None);
    }
    assert_eq!(registry.checked(worker(1), Check::Missed, 3), Change::View);
    assert!(live(&registry).is_empty());
    assert_eq!(registry.checked(worker(1), Check::Proven(Timestamp::from_micros(9)), 3), Change::View);
    assert_eq!(live(&registry), [worker(1)]);
}

#[test]
fn a_new_incarnation_at_an_address_ends_the_old_one() {
    let mut registry = Registry::default();
    put(&mut registry, 1, "h:1", "a", 0);
    put(&mut registry, 2, "h:2", "a", 0);
    put(&mut registry, 3, "h:1", "a", 1);
    assert_eq!(live(&registry), [worker(2), worker(3)]);
}

#[test]
fn a_tool_knows_since_when_it_is_gone() {
    let mut registry = Registry::default();
    let name = ToolName::try_new("a").unwrap();
    put(&mut registry, 1, "h:1", "a", 10);
    registry.note_tools(1, Timestamp::from_micros(10));
    let _ = registry.remove(worker(1));
    registry.note_tools(2, Timestamp::from_micros(20));
    registry.note_tools(3, Timestamp::from_micros(30));
    let tool = registry.tool(&name).unwrap();
    assert_eq!(tool.presence(), Presence::Gone);
    assert_eq!((tool.since().micros(), tool.version()), (20, 2));
}

proptest! {
    #[test]
    fn a_worker_is_live_unless_its_last_three_answers_were_misses(checks in proptest::collection::vec(0u8..3, 0..30)) {
        let mut registry = Registry::default();
        put(&mut registry, 1, "h:1", "a", 0);
        let mut misses = 0;
        let mut expected = true;
        for (at, kind) in checks.iter().enumerate() {
            let check = match kind {
                0 => Check::Proven(Timestamp::from_micros(i64::try_from(at).unwrap())),
                1 => Check::Busy,
                _ => Check::Missed,
            };
            match check {
                Check::Proven(_) => { misses = 0; expected = true; }
                Check::Missed => { misses += 1; if misses >= 3 { expected = false; } }
                Check::Busy => {}
            }
            let before = registry.is_live(worker(1));
            let change = registry.checked(worker(1), check, 3);
            prop_assert_eq!(change == Change::View, before != registry.is_live(worker(1)));
            prop_assert_eq!(registry.is_live(worker(1)), expected);
        }
    }
}
