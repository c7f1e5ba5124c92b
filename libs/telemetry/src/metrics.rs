//! What is counted and measured.

use std::sync::Arc;
use std::time::Duration;

use holdfast_types::ToolName;
use holdfast_types::failure::Class;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider, NoopMeterProvider};
use opentelemetry::{KeyValue, Value};

use crate::labels::Bounded;
use crate::names::{label, metric};

/// From 5 ms, a step on the hot path, to an hour.
const STEP_SECONDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0];

/// From 1 ms, a takeover within one process, to a minute.
const RECOVERY_SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

macro_rules! label_values {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the label's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

label_values! {
    /// The states of a breaker.
    BreakerState {
        /// Calls go through.
        Closed = "closed",
        /// None does.
        Open = "open",
        /// A trial does.
        HalfOpen = "half_open",
        /// An operator holds it open.
        ForcedOpen = "forced_open",
        /// An operator holds it closed.
        ForcedClosed = "forced_closed",
    }
}

label_values! {
    /// Why a task has a new life.
    ResumeKind {
        /// The driver released it: a drain, a redeploy.
        Released = "released",
        /// The driver died, or its lease ended.
        Crash = "crash",
        /// A wait is over.
        Wake = "wake",
        /// A loop or repeated failure: resumed with a note.
        Reflection = "reflection",
        /// An operator asked for it.
        Operator = "operator",
    }
}

label_values! {
    /// How the outcome of a call became known after all.
    Resolution {
        /// The worker still had it.
        Fence = "fence",
        /// The tool was asked.
        Probe = "probe",
        /// The call was repeatable and was repeated.
        Repeat = "repeat",
        /// A late answer came.
        Late = "late",
        /// A person said so.
        Person = "person",
        /// It did not: the task waits or ended with it unknown.
        Unresolved = "unresolved",
    }
}

label_values! {
    /// How an undo ended.
    CompensationResult {
        /// The effect is undone.
        Undone = "undone",
        /// There was no effect.
        NothingToUndo = "nothing_to_undo",
        /// It failed for good: the effect stands.
        Failed = "failed",
    }
}

/// The counters and histograms. Recording never blocks and never fails.
#[derive(Debug)]
pub struct Metrics {
    retries: Counter<u64>,
    retry_budget_refusals: Counter<u64>,
    breaker_transitions: Counter<u64>,
    breaker_state: Gauge<u64>,
    resumes: Counter<u64>,
    replays: Counter<u64>,
    unknown_outcomes: Counter<u64>,
    compensations: Counter<u64>,
    lease_losses: Counter<u64>,
    stale_writes_refused: Counter<u64>,
    queue_depth: Gauge<u64>,
    step_duration: Histogram<f64>,
    recovery_duration: Histogram<f64>,
    tools: Bounded,
    dependencies: Bounded,
}

impl Metrics {
    /// Makes metrics that go nowhere.
    #[must_use]
    pub fn no_op() -> Arc<Self> {
        Arc::new(Self::new(&NoopMeterProvider::new().meter("holdfast")))
    }

    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        let gauge = |name, what| meter.u64_gauge(name).with_description(what).build();
        let seconds = |name, what, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(what)
                .with_boundaries(bounds.to_vec())
                .build()
        };
        Self {
            retries: counter(metric::RETRIES, "Retries of calls"),
            retry_budget_refusals: counter(metric::RETRY_BUDGET_REFUSALS, "Retries that the budget refused"),
            breaker_transitions: counter(metric::BREAKER_TRANSITIONS, "Transitions of breakers"),
            breaker_state: gauge(metric::BREAKER_STATE, "1 for the state that a breaker is in"),
            resumes: counter(metric::RESUMES, "Tasks that a new life took up"),
            replays: counter(metric::REPLAYS, "Calls answered from a recorded result"),
            unknown_outcomes: counter(metric::UNKNOWN_OUTCOMES, "Calls whose outcome was not known"),
            compensations: counter(metric::COMPENSATIONS, "Undos"),
            lease_losses: counter(metric::LEASE_LOSSES, "Leases that ended while their holder lived"),
            stale_writes_refused: counter(metric::STALE_WRITES_REFUSED, "Appends refused as stale"),
            queue_depth: gauge(metric::QUEUE_DEPTH, "Tasks that wait for a driver"),
            step_duration: seconds(metric::STEP_DURATION, "From a step's start to its end", &STEP_SECONDS),
            recovery_duration: seconds(
                metric::RECOVERY_DURATION,
                "From the claim of an interrupted task to its first new action",
                &RECOVERY_SECONDS,
            ),
            tools: Bounded::default(),
            dependencies: Bounded::default(),
        }
    }

    /// Counts a retry.
    pub fn retry(&self, class: Class, tool: &ToolName) {
        self.retries.add(1, &[pair(label::CLASS, class.as_str()), self.tool(tool)]);
    }

    /// Counts a retry that the budget refused.
    pub fn retry_budget_refusal(&self) {
        self.retry_budget_refusals.add(1, &[]);
    }

    /// Counts a breaker's transition, and says which state its dependency is in now.
    pub fn breaker_transition(&self, dependency: &str, from: BreakerState, to: BreakerState) {
        self.breaker_transitions.add(1, &[pair(label::FROM, from.as_str()), pair(label::TO, to.as_str())]);
        let dependency = self.dependencies.bound(dependency);
        for state in BreakerState::ALL {
            let labels = [pair(label::DEPENDENCY, dependency.clone()), pair(label::STATE, state.as_str())];
            self.breaker_state.record(u64::from(*state == to), &labels);
        }
    }

    /// Counts a task that a new life took up.
    pub fn resume(&self, kind: ResumeKind) {
        self.resumes.add(1, &[pair(label::KIND, kind.as_str())]);
    }

    /// Counts a call that was answered from a recorded result.
    pub fn replay(&self) {
        self.replays.add(1, &[]);
    }

    /// Counts a call whose outcome was not known.
    pub fn unknown_outcome(&self, resolution: Resolution) {
        self.unknown_outcomes.add(1, &[pair(label::RESOLUTION, resolution.as_str())]);
    }

    /// Counts an undo.
    pub fn compensation(&self, result: CompensationResult) {
        self.compensations.add(1, &[pair(label::RESULT, result.as_str())]);
    }

    /// Counts a lease that ended while its holder lived.
    pub fn lease_loss(&self) {
        self.lease_losses.add(1, &[]);
    }

    /// Counts an append that was refused as stale.
    pub fn stale_write_refused(&self) {
        self.stale_writes_refused.add(1, &[]);
    }

    /// Says how many tasks wait for a driver now.
    pub fn queue_depth(&self, tasks: u64) {
        self.queue_depth.record(tasks, &[]);
    }

    /// Measures a step that ended.
    pub fn step_duration(&self, tool: &ToolName, took: Duration) {
        self.step_duration.record(took.as_secs_f64(), &[self.tool(tool)]);
    }

    /// Measures a recovery.
    pub fn recovery_duration(&self, took: Duration) {
        self.recovery_duration.record(took.as_secs_f64(), &[]);
    }

    fn tool(&self, tool: &ToolName) -> KeyValue {
        pair(label::TOOL, self.tools.bound(tool.as_str()))
    }
}

fn pair(name: &'static str, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(name, value)
}
