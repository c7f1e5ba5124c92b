//! What is counted and measured.

pub mod catalogue;
mod held;
mod instruments;
mod record;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_types::TaskOutcome;
use opentelemetry::metrics::{
    Counter, Gauge, Histogram, Meter, MeterProvider, NoopMeterProvider, UpDownCounter,
};
use opentelemetry::{KeyValue, Value};

use crate::labels::Bounded;
use crate::names::{label, metric};
use instruments::{counter, gauge, histogram, up_down_counter};

pub use held::Held;
pub use values::{
    BreakerState, CompensationResult, FrontAnswer, KeyDurability, KeyVerb, KeyVerbAnswer, Resolution,
    ResumeKind, SpanLoss,
};

/// The counters, gauges and histograms. Recording never blocks and never fails.
#[derive(Debug)]
pub struct Metrics {
    tasks_finished: Counter<u64>,
    tasks_driven: UpDownCounter<i64>,
    calls_in_flight: UpDownCounter<i64>,
    calls_queued: UpDownCounter<i64>,
    calls_held_back: Counter<u64>,
    step_duration: Histogram<f64>,
    retries: Counter<u64>,
    retry_budget_refusals: Counter<u64>,
    breaker_refusals: Counter<u64>,
    unknown_outcomes: Counter<u64>,
    replays: Counter<u64>,
    compensations: Counter<u64>,
    resumes: Counter<u64>,
    recovery_duration: Histogram<f64>,
    quarantines: Counter<u64>,
    lease_losses: Counter<u64>,
    stale_writes_refused: Counter<u64>,
    queue_depth: Gauge<u64>,
    tasks_waiting: Gauge<u64>,
    inbox_depth: Gauge<u64>,
    store_batch: Histogram<f64>,
    store_commit_duration: Histogram<f64>,
    key_verbs: Counter<u64>,
    key_front: Counter<u64>,
    workers: Gauge<u64>,
    workers_ejected: Gauge<u64>,
    worker_ejections: Counter<u64>,
    breaker_state: Gauge<u64>,
    breaker_transitions: Counter<u64>,
    worker_slots: UpDownCounter<i64>,
    worker_slots_in_use: UpDownCounter<i64>,
    worker_overdue: UpDownCounter<i64>,
    worker_queue: UpDownCounter<i64>,
    spans_dropped: Counter<u64>,
    tools: Bounded,
    dependencies: Bounded,
    /// The tools of which [`Metrics::workers`] has said something: what is gone is set to 0.
    // A std mutex: held while gauges are set, never across an await.
    hosted: Mutex<BTreeMap<String, u64>>,
}

impl Metrics {
    /// Makes metrics that go nowhere.
    #[must_use]
    pub fn no_op() -> Arc<Self> {
        Arc::new(Self::new(&NoopMeterProvider::new().meter("holdfast")))
    }

    pub(crate) fn new(meter: &Meter) -> Self {
        let metrics = Self {
            tasks_finished: counter(meter, &metric::TASKS_FINISHED),
            tasks_driven: up_down_counter(meter, &metric::TASKS_DRIVEN),
            calls_in_flight: up_down_counter(meter, &metric::CALLS_IN_FLIGHT),
            calls_queued: up_down_counter(meter, &metric::CALLS_QUEUED),
            calls_held_back: counter(meter, &metric::CALLS_HELD_BACK),
            step_duration: histogram(meter, &metric::STEP_DURATION),
            retries: counter(meter, &metric::RETRIES),
            retry_budget_refusals: counter(meter, &metric::RETRY_BUDGET_REFUSALS),
            breaker_refusals: counter(meter, &metric::BREAKER_REFUSALS),
            unknown_outcomes: counter(meter, &metric::UNKNOWN_OUTCOMES),
            replays: counter(meter, &metric::REPLAYS),
            compensations: counter(meter, &metric::COMPENSATIONS),
            resumes: counter(meter, &metric::RESUMES),
            recovery_duration: histogram(meter, &metric::RECOVERY_DURATION),
            quarantines: counter(meter, &metric::QUARANTINES),
            lease_losses: counter(meter, &metric::LEASE_LOSSES),
            stale_writes_refused: counter(meter, &metric::STALE_WRITES_REFUSED),
            queue_depth: gauge(meter, &metric::QUEUE_DEPTH),
            tasks_waiting: gauge(meter, &metric::TASKS_WAITING),
            inbox_depth: gauge(meter, &metric::INBOX_DEPTH),
            store_batch: histogram(meter, &metric::STORE_BATCH),
            store_commit_duration: histogram(meter, &metric::STORE_COMMIT_DURATION),
            key_verbs: counter(meter, &metric::KEY_VERBS),
            key_front: counter(meter, &metric::KEY_FRONT),
            workers: gauge(meter, &metric::WORKERS),
            workers_ejected: gauge(meter, &metric::WORKERS_EJECTED),
            worker_ejections: counter(meter, &metric::WORKER_EJECTIONS),
            breaker_state: gauge(meter, &metric::BREAKER_STATE),
            breaker_transitions: counter(meter, &metric::BREAKER_TRANSITIONS),
            worker_slots: up_down_counter(meter, &metric::WORKER_SLOTS),
            worker_slots_in_use: up_down_counter(meter, &metric::WORKER_SLOTS_IN_USE),
            worker_overdue: up_down_counter(meter, &metric::WORKER_OVERDUE),
            worker_queue: up_down_counter(meter, &metric::WORKER_QUEUE),
            spans_dropped: counter(meter, &metric::SPANS_DROPPED),
            tools: Bounded::default(),
            dependencies: Bounded::default(),
            hosted: Mutex::default(),
        };
        metrics.start_at_zero();
        say_what_runs(meter);
        metrics
    }

    /// Brings counters into being whose labels are known, so that their first event is seen as a growth.
    fn start_at_zero(&self) {
        for counter in [
            &self.retry_budget_refusals,
            &self.calls_held_back,
            &self.breaker_refusals,
            &self.replays,
            &self.quarantines,
            &self.lease_losses,
            &self.stale_writes_refused,
            &self.worker_ejections,
        ] {
            counter.add(0, &[]);
        }
        for outcome in TaskOutcome::ALL {
            self.tasks_finished.add(0, &[pair(label::OUTCOME, outcome.as_str())]);
        }
        for resolution in Resolution::ALL {
            self.unknown_outcomes.add(0, &[pair(label::RESOLUTION, resolution.as_str())]);
        }
        for result in CompensationResult::ALL {
            self.compensations.add(0, &[pair(label::RESULT, result.as_str())]);
        }
        for kind in ResumeKind::ALL {
            self.resumes.add(0, &[pair(label::KIND, kind.as_str())]);
        }
        for answer in FrontAnswer::ALL {
            self.key_front.add(0, &[pair(label::ANSWER, answer.as_str())]);
        }
        for why in SpanLoss::ALL {
            self.spans_dropped.add(0, &[pair(label::REASON, why.as_str())]);
        }
    }
}

fn say_what_runs(meter: &Meter) {
    let version = [pair(label::VERSION, env!("CARGO_PKG_VERSION"))];
    gauge(meter, &metric::BUILD_INFO).record(1, &version);
    // Telemetry is the first thing that a process starts.
    #[allow(clippy::disallowed_methods)]
    let now = SystemTime::now();
    let started = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    gauge(meter, &metric::PROCESS_START_TIME).record(started, &[]);
}

fn pair(name: &'static str, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(name, value)
}
