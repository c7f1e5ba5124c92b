//! Every service tells what it did.

use crate::cluster::{Cluster, Role};
use crate::plans;

/// Adds up a series over the replicas of a role.
fn sum(cluster: &Cluster, role: Role, series: &str) -> f64 {
    let replicas = cluster.metrics(role);
    let values = replicas.iter().flat_map(|text| text.lines()).filter_map(|line| line.rsplit_once(' '));
    values.filter(|(name, _)| *name == series).map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}

#[test]
fn every_service_serves_its_metrics() {
    let cluster = Cluster::start(|ledger| plans::chain(ledger, 5));
    let task = cluster.submit(0);
    assert!(cluster.outcome(&task).ends_with("SUCCEEDED"), "{}", cluster.logged());
    let finished = "holdfast_tasks_finished_total{outcome=\"SUCCEEDED\"}";
    assert_eq!(sum(&cluster, Role::Orchestrator, finished), 1.0);
    let steps = "holdfast_step_duration_seconds_count{tool=\"chain_step\"}";
    assert_eq!(sum(&cluster, Role::Orchestrator, steps), 5.0);
    assert!(sum(&cluster, Role::Checkpoint, "holdfast_store_batch_sum") >= 5.0);
    let began = "holdfast_keys_verbs_total{answer=\"acquired\",durability=\"index\",verb=\"begin\"}";
    assert_eq!(sum(&cluster, Role::Idempotency, began), 5.0, "{:?}", cluster.metrics(Role::Idempotency));
    assert_eq!(sum(&cluster, Role::Idempotency, "holdfast_keys_front_total{answer=\"miss\"}"), 5.0);
    assert_eq!(sum(&cluster, Role::Health, "holdfast_workers{tool=\"chain_step\"}"), 2.0);
    assert_eq!(sum(&cluster, Role::Worker, "holdfast_worker_slots"), 50.0);
    for role in [Role::Orchestrator, Role::Checkpoint, Role::Idempotency, Role::Health, Role::Worker] {
        for text in cluster.metrics(role) {
            assert!(text.contains("\nprocess_start_time_seconds "), "{text}");
            assert!(text.contains("\nholdfast_build_info{version="), "{text}");
            assert!(!text.contains(&task), "a task's id is in a label: {text}");
        }
    }
}
