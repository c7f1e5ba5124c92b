//! Every metric, once, with all that is said about it. `docs/metrics.md` shows the same, which a test checks.

use crate::names::label;

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// Its name in OpenTelemetry.
    pub name: &'static str,
    /// How its values are to be read.
    pub kind: Kind,
    /// What is counted or measured.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells, in a sentence without its full stop.
    pub tells: &'static str,
}

/// How the values of a metric are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down with what is held: Prometheus has it as a gauge.
    UpDownCounter,
    /// The value of the moment.
    Gauge,
    /// Values sorted into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Returns its name in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// What a metric counts or measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: the name says which.
    Things,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// Returns it as OpenTelemetry writes it; empty for things.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Things => "",
            Self::Seconds => "s",
        }
    }
}

impl Definition {
    /// Returns its name in Prometheus; of a histogram without `_bucket`, `_sum` and `_count`.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if self.unit == Unit::Seconds {
            name.push_str("_seconds");
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// From 5 ms, a step on the hot path, to an hour.
const STEP_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0];

/// From 1 ms, a takeover within one process, to a minute.
const RECOVERY_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// From half a millisecond, a good disk, to the patience that a store has with its database.
const COMMIT_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];

/// Up to as many as a commit takes.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

macro_rules! catalogue {
    ($($constant:ident: $name:literal, $kind:expr, $unit:ident, [$($label:ident),*], $tells:literal;)+) => {
        $(
            #[doc = concat!($tells, ".")]
            pub const $constant: Definition = Definition {
                name: $name,
                kind: $kind,
                unit: Unit::$unit,
                labels: &[$(label::$label),*],
                tells: $tells,
            };
        )+

        /// All of them.
        pub const ALL: &[Definition] = &[$($constant),+];
    };
}

catalogue! {
    TASKS_FINISHED: "holdfast.tasks.finished", Kind::Counter, Things, [OUTCOME],
        "Tasks that ended, by outcome";
    TASKS_DRIVEN: "holdfast.tasks.driven", Kind::UpDownCounter, Things, [],
        "Tasks that this orchestrator drives now";
    CALLS_IN_FLIGHT: "holdfast.calls.in_flight", Kind::UpDownCounter, Things, [],
        "Attempts of this orchestrator that are under way at workers";
    CALLS_QUEUED: "holdfast.calls.queued", Kind::UpDownCounter, Things, [],
        "Calls of this orchestrator that wait for a place on a worker, or for a limit of a tool or a namespace";
    CALLS_HELD_BACK: "holdfast.calls.held_back", Kind::Counter, Things, [],
        "Calls that were put off as rows because their dependency had said that it is called too often";
    STEP_DURATION: "holdfast.step.duration", Kind::Histogram(STEP_SECONDS), Seconds, [TOOL],
        "From a call's first attempt to its success, all attempts and waits included";
    RETRIES: "holdfast.retries", Kind::Counter, Things, [CLASS, TOOL],
        "Attempts that failed and are followed by another one, by the failure's class";
    RETRY_BUDGET_REFUSALS: "holdfast.retry_budget_refusals", Kind::Counter, Things, [],
        "Retries that were not made because too many of the dependency's calls failed";
    UNKNOWN_OUTCOMES: "holdfast.unknown_outcomes", Kind::Counter, Things, [RESOLUTION],
        "Calls of which nobody knew whether they happened, by how that was settled; `unresolved`: a person is asked";
    REPLAYS: "holdfast.replays", Kind::Counter, Things, [],
        "Calls that a recorded result answered: nothing was executed";
    COMPENSATIONS: "holdfast.compensations", Kind::Counter, Things, [RESULT],
        "Undos, by how they ended; `failed`: what was done stands";
    RESUMES: "holdfast.resumes", Kind::Counter, Things, [KIND],
        "Tasks that were taken up again: after a `crash`, or `released` for a wait or a drain";
    RECOVERY_DURATION: "holdfast.recovery.duration", Kind::Histogram(RECOVERY_SECONDS), Seconds, [],
        "From the claim of a task whose driver died to its first new entry in the journal";
    QUARANTINES: "holdfast.quarantines", Kind::Counter, Things, [],
        "Tasks that were set aside because their drivers kept dying";
    LEASE_LOSSES: "holdfast.lease_losses", Kind::Counter, Things, [],
        "Leases that ended while their orchestrator lived: its tasks went to others";
    STALE_WRITES_REFUSED: "holdfast.stale_writes_refused", Kind::Counter, Things, [],
        "Appends refused because another driver has the task";
    QUEUE_DEPTH: "holdfast.queue.depth", Kind::Gauge, Things, [],
        "Tasks that want to be driven and that nobody drives, in the whole store";
    TASKS_WAITING: "holdfast.tasks.waiting", Kind::Gauge, Things, [REASON],
        "Tasks that wait as rows, by what for, in the whole store";
    INBOX_DEPTH: "holdfast.inbox.depth", Kind::Gauge, Things, [],
        "Messages to tasks that no driver has taken, in the whole store";
    STORE_BATCH: "holdfast.store.batch", Kind::Histogram(BATCH), Things, [],
        "Writes that one commit took";
    STORE_COMMIT_DURATION: "holdfast.store.commit.duration", Kind::Histogram(COMMIT_SECONDS), Seconds, [],
        "From the beginning of a batch's transaction to the answer to its commit, repeats included";
    KEY_VERBS: "holdfast.keys.verbs", Kind::Counter, Things, [VERB, ANSWER, DURABILITY],
        "What the idempotency service answered, and which losses the answer survives";
    KEY_FRONT: "holdfast.keys.front", Kind::Counter, Things, [ANSWER],
        "What Redis said of keys that were asked for: `hit`, `miss`, or `away` where it did not answer or is left alone";
    WORKERS: "holdfast.workers", Kind::Gauge, Things, [TOOL],
        "Living workers that host a tool, as the registry knows them";
    WORKERS_EJECTED: "holdfast.workers.ejected", Kind::Gauge, Things, [],
        "Living workers that get no new calls because theirs fail where others' do not";
    WORKER_EJECTIONS: "holdfast.worker.ejections", Kind::Counter, Things, [],
        "Times that a worker was ejected";
    BREAKER_STATE: "holdfast.breaker.state", Kind::Gauge, Things, [DEPENDENCY, STATE],
        "1 for the state that a dependency's breaker is in, 0 for the others";
    BREAKER_TRANSITIONS: "holdfast.breaker.transitions", Kind::Counter, Things, [FROM, TO],
        "Changes of breakers' states";
    BREAKER_REFUSALS: "holdfast.breaker.refusals", Kind::Counter, Things, [],
        "Calls that were not sent because a breaker is open";
    WORKER_SLOTS: "holdfast.worker.slots", Kind::UpDownCounter, Things, [],
        "Calls that this worker runs at once, at most";
    WORKER_SLOTS_IN_USE: "holdfast.worker.slots_in_use", Kind::UpDownCounter, Things, [],
        "Calls that this worker runs now";
    WORKER_OVERDUE: "holdfast.worker.calls_overdue", Kind::UpDownCounter, Things, [],
        "Calls that this worker has told to stop, and whose tools still run and keep their slots";
    WORKER_QUEUE: "holdfast.worker.queue", Kind::UpDownCounter, Things, [],
        "Calls that this worker has taken and that wait for a slot";
    SPANS_DROPPED: "holdfast.spans.dropped", Kind::Counter, Things, [REASON],
        "Spans that were not exported, by why";
    BUILD_INFO: "holdfast.build_info", Kind::Gauge, Things, [VERSION],
        "1, with the version of the binary";
    PROCESS_START_TIME: "process.start_time", Kind::Gauge, Seconds, [],
        "When the process started, in seconds since 1970";
}
