//! What is recorded is what Prometheus reads, under the names and labels that the catalogue says.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_telemetry::names::metric;
use holdfast_telemetry::prometheus::Scrape;
use holdfast_telemetry::{
    BreakerState, CompensationResult, FrontAnswer, Held, KeyDurability, KeyVerb, KeyVerbAnswer, Kind,
    Metrics, Resolution, ResumeKind, SpanLoss, Telemetry, scraped,
};
use holdfast_types::failure::Class;
use holdfast_types::task::WaitReason;
use holdfast_types::{TaskOutcome, ToolName};

fn measuring() -> (Arc<Metrics>, Scrape, Telemetry) {
    let telemetry = scraped().unwrap();
    (telemetry.metrics(), telemetry.scrape().unwrap(), telemetry)
}

fn tool(name: &str) -> ToolName {
    ToolName::try_new(name).unwrap()
}

fn hosting(tools: &[(&str, u64)]) -> BTreeMap<ToolName, u64> {
    tools.iter().map(|(name, many)| (tool(name), *many)).collect()
}

/// Records something of everything; what it returns is held.
fn record_all(metrics: &Metrics) -> Vec<Held> {
    metrics.task_finished(TaskOutcome::Succeeded);
    metrics.step_duration(&tool("charge"), Duration::from_millis(20));
    metrics.retry(Class::Transient, &tool("charge"));
    metrics.retry_budget_refusal();
    metrics.call_held_back();
    metrics.worker_ejected();
    metrics.ejected_workers(1);
    metrics.breaker_refusal();
    metrics.unknown_outcome(Resolution::Probe);
    metrics.replay();
    metrics.compensation(CompensationResult::Undone);
    metrics.resume(ResumeKind::Crash);
    metrics.recovery_duration(Duration::from_millis(2));
    metrics.quarantine();
    metrics.lease_loss();
    metrics.stale_write_refused();
    metrics.queue_depth(7);
    metrics.tasks_waiting(&BTreeMap::from([(WaitReason::Timer, 3)]));
    metrics.inbox_depth(2);
    metrics.commit(5, Duration::from_millis(3));
    metrics.key_verb(KeyVerb::Begin, KeyVerbAnswer::Acquired, KeyDurability::Index);
    metrics.key_front(FrontAnswer::Hit);
    metrics.workers(&hosting(&[("charge", 2)]));
    metrics.breaker_transition("payments", BreakerState::Closed, BreakerState::Open);
    metrics.spans_dropped(6, SpanLoss::QueueFull);
    vec![
        metrics.task_driven(),
        metrics.call_in_flight(),
        metrics.call_queued(),
        metrics.worker_slots(25),
        metrics.worker_slot_in_use(),
        metrics.worker_call_overdue(),
        metrics.worker_queued(),
    ]
}

/// A series: its name without what a histogram appends, and its labels.
fn series(line: &str) -> (String, BTreeMap<String, String>) {
    let (name, labels) = match line.split_once('{') {
        Some((name, rest)) => (name, rest.rsplit_once('}').unwrap().0),
        None => (line.split_once(' ').unwrap().0, ""),
    };
    let labels = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
    let labels = labels.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned()));
    (name.to_owned(), labels.filter(|(name, _)| name != "le").collect())
}

#[test]
fn what_prometheus_reads_is_what_the_catalogue_says() {
    let (metrics, scrape, _telemetry) = measuring();
    let _held = record_all(&metrics);
    let text = scrape.text().unwrap();
    let mut read = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("target_info")) {
        let (name, labels) = series(line);
        let labels: BTreeSet<String> = labels.into_keys().collect();
        read.insert((name, labels));
    }
    let mut said = BTreeSet::new();
    for definition in metric::ALL {
        let endings: &[&str] = match definition.kind {
            Kind::Histogram(_) => &["_bucket", "_sum", "_count"],
            Kind::Counter | Kind::UpDownCounter | Kind::Gauge => &[""],
        };
        let labels: BTreeSet<String> = definition.labels.iter().map(|label| (*label).to_owned()).collect();
        for ending in endings {
            said.insert((format!("{}{ending}", definition.prometheus_name()), labels.clone()));
        }
        let help = format!("# HELP {} {}", definition.prometheus_name(), definition.tells);
        assert!(text.lines().any(|line| line == help), "no '{help}' in\n{text}");
    }
    assert_eq!(read, said, "{text}");
}

#[test]
fn what_is_recorded_has_its_value() {
    let (metrics, scrape, _telemetry) = measuring();
    let held = record_all(&metrics);
    let text = scrape.text().unwrap();
    for line in [
        "holdfast_retries_total{class=\"TRANSIENT\",tool=\"charge\"} 1",
        "holdfast_resumes_total{kind=\"crash\"} 1",
        "holdfast_resumes_total{kind=\"released\"} 0",
        "holdfast_queue_depth 7",
        "holdfast_tasks_waiting{reason=\"TIMER\"} 3",
        "holdfast_tasks_waiting{reason=\"APPROVAL\"} 0",
        "holdfast_step_duration_seconds_bucket{tool=\"charge\",le=\"0.025\"} 1",
        "holdfast_store_batch_bucket{le=\"8\"} 1",
        "holdfast_store_batch_bucket{le=\"4\"} 0",
        "holdfast_keys_verbs_total{answer=\"acquired\",durability=\"index\",verb=\"begin\"} 1",
        "holdfast_tasks_driven 1",
        "holdfast_spans_dropped_total{reason=\"queue_full\"} 6",
        "holdfast_worker_slots 25",
        "holdfast_worker_slots_in_use 1",
    ] {
        assert!(text.lines().any(|have| have == line), "no '{line}' in\n{text}");
    }
    drop(held);
    let text = scrape.text().unwrap();
    for line in ["holdfast_tasks_driven 0", "holdfast_worker_slots 0", "holdfast_worker_slots_in_use 0"] {
        assert!(text.lines().any(|have| have == line), "no '{line}' in\n{text}");
    }
}

#[test]
fn counters_are_there_before_their_first_event() {
    let (_metrics, scrape, _telemetry) = measuring();
    let text = scrape.text().unwrap();
    for line in [
        "holdfast_compensations_total{result=\"failed\"} 0",
        "holdfast_lease_losses_total 0",
        "holdfast_tasks_finished_total{outcome=\"COMPENSATION_FAILED\"} 0",
    ] {
        assert!(text.lines().any(|have| have == line), "no '{line}' in\n{text}");
    }
}

#[test]
fn a_breaker_is_in_one_state_and_each_transition_counts_once() {
    let (metrics, scrape, _telemetry) = measuring();
    use BreakerState::{Closed, HalfOpen, Open};
    for (from, to) in [(Closed, Open), (Open, HalfOpen), (HalfOpen, Closed), (Closed, Open)] {
        metrics.breaker_transition("payments", from, to);
        let text = scrape.text().unwrap();
        let states = text.lines().filter(|line| line.starts_with("holdfast_breaker_state{"));
        let on: Vec<&str> = states.filter(|line| line.ends_with(" 1")).collect();
        let want = format!("holdfast_breaker_state{{dependency=\"payments\",state=\"{}\"}} 1", to.as_str());
        assert_eq!(on, [want]);
    }
    let text = scrape.text().unwrap();
    assert!(text.contains("holdfast_breaker_transitions_total{from=\"closed\",to=\"open\"} 2"), "{text}");
}

#[test]
fn a_tool_that_nobody_hosts_any_more_has_no_worker() {
    let (metrics, scrape, _telemetry) = measuring();
    metrics.workers(&hosting(&[("charge", 2), ("look", 1)]));
    metrics.workers(&hosting(&[("look", 3)]));
    let text = scrape.text().unwrap();
    for line in ["holdfast_workers{tool=\"charge\"} 0", "holdfast_workers{tool=\"look\"} 3"] {
        assert!(text.lines().any(|have| have == line), "no '{line}' in\n{text}");
    }
}

#[test]
fn tools_and_dependencies_past_the_bound_share_one_series() {
    let (metrics, scrape, _telemetry) = measuring();
    for number in 0..1_000 {
        metrics.retry(Class::Transient, &tool(&format!("tool{number}")));
        metrics.breaker_transition(&format!("d{number}"), BreakerState::Closed, BreakerState::Open);
    }
    metrics.retry(Class::Transient, &tool("tool7"));
    let text = scrape.text().unwrap();
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("holdfast_retries_total{"), 201);
    assert_eq!(count("holdfast_breaker_state{"), 200 * BreakerState::ALL.len());
    assert!(text.contains("holdfast_retries_total{class=\"TRANSIENT\",tool=\"other\"} 800"), "{text}");
    assert!(text.contains("holdfast_retries_total{class=\"TRANSIENT\",tool=\"tool7\"} 2"), "{text}");
    assert!(text.contains("holdfast_breaker_transitions_total{from=\"closed\",to=\"open\"} 1000"), "{text}");
}
