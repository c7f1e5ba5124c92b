//! The words in which the services count and measure.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use holdfast_types::failure::Class;
use holdfast_types::task::WaitReason;
use holdfast_types::{TaskOutcome, ToolName};
use opentelemetry::KeyValue;

use super::{
    BreakerState, CompensationResult, FrontAnswer, Held, KeyDurability, KeyVerb, KeyVerbAnswer, Metrics,
    Resolution, ResumeKind, SpanLoss, pair,
};
use crate::labels::OTHER;
use crate::names::label;

/// Of tasks and their calls, as an orchestrator sees them.
impl Metrics {
    /// Counts a task that ended.
    pub fn task_finished(&self, outcome: TaskOutcome) {
        self.tasks_finished.add(1, &[pair(label::OUTCOME, outcome.as_str())]);
    }

    /// Counts a task as driven until what it returns is dropped.
    pub fn task_driven(&self) -> Held {
        Held::new(&self.tasks_driven, 1)
    }

    /// Counts a call as under way until what it returns is dropped.
    pub fn call_in_flight(&self) -> Held {
        Held::new(&self.calls_in_flight, 1)
    }

    /// Counts a call as waiting for a place or a limit until what it returns is dropped.
    pub fn call_queued(&self) -> Held {
        Held::new(&self.calls_queued, 1)
    }

    /// Counts a call that was put off because its dependency is called too often.
    pub fn call_held_back(&self) {
        self.calls_held_back.add(1, &[]);
    }

    /// Measures a call that succeeded, from its first attempt.
    pub fn step_duration(&self, tool: &ToolName, took: Duration) {
        self.step_duration.record(took.as_secs_f64(), &[self.tool(tool)]);
    }

    /// Counts a retry.
    pub fn retry(&self, class: Class, tool: &ToolName) {
        self.retries.add(1, &[pair(label::CLASS, class.as_str()), self.tool(tool)]);
    }

    /// Counts a retry that the budget refused.
    pub fn retry_budget_refusal(&self) {
        self.retry_budget_refusals.add(1, &[]);
    }

    /// Counts a call whose outcome was not known.
    pub fn unknown_outcome(&self, resolution: Resolution) {
        self.unknown_outcomes.add(1, &[pair(label::RESOLUTION, resolution.as_str())]);
    }

    /// Counts a call that was answered from a recorded result.
    pub fn replay(&self) {
        self.replays.add(1, &[]);
    }

    /// Counts an undo.
    pub fn compensation(&self, result: CompensationResult) {
        self.compensations.add(1, &[pair(label::RESULT, result.as_str())]);
    }

    /// Counts a task that a new life took up.
    pub fn resume(&self, kind: ResumeKind) {
        self.resumes.add(1, &[pair(label::KIND, kind.as_str())]);
    }

    /// Measures a recovery.
    pub fn recovery_duration(&self, took: Duration) {
        self.recovery_duration.record(took.as_secs_f64(), &[]);
    }

    /// Counts a task that was set aside.
    pub fn quarantine(&self) {
        self.quarantines.add(1, &[]);
    }

    /// Counts a lease that ended while its holder lived.
    pub fn lease_loss(&self) {
        self.lease_losses.add(1, &[]);
    }

    /// Counts a call that a breaker did not let through.
    pub fn breaker_refusal(&self) {
        self.breaker_refusals.add(1, &[]);
    }

    /// Counts a transition of a breaker that is not the dependency's owner's: an orchestrator decides alone. It says
    /// nothing of the state, which would stand when the owner is back.
    pub fn breaker_move(&self, from: BreakerState, to: BreakerState) {
        self.breaker_transitions.add(1, &[pair(label::FROM, from.as_str()), pair(label::TO, to.as_str())]);
    }

    /// Counts an append that was refused as stale.
    pub fn stale_write_refused(&self) {
        self.stale_writes_refused.add(1, &[]);
    }
}

/// Of the journal's store and the key table.
impl Metrics {
    /// Says how many tasks wait for a driver now.
    pub fn queue_depth(&self, tasks: u64) {
        self.queue_depth.record(tasks, &[]);
    }

    /// Says how many tasks wait now, by what for; reasons that are not named have none.
    pub fn tasks_waiting(&self, tasks: &BTreeMap<WaitReason, u64>) {
        for reason in WaitReason::ALL {
            let many = tasks.get(reason).copied().unwrap_or_default();
            self.tasks_waiting.record(many, &[pair(label::REASON, reason.as_str())]);
        }
    }

    /// Says how many messages no driver has taken yet.
    pub fn inbox_depth(&self, messages: u64) {
        self.inbox_depth.record(messages, &[]);
    }

    /// Measures a commit and what it took.
    pub fn commit(&self, writes: usize, took: Duration) {
        #[allow(clippy::cast_precision_loss)] // a batch has a few hundred writes
        self.store_batch.record(writes as f64, &[]);
        self.store_commit_duration.record(took.as_secs_f64(), &[]);
    }

    /// Counts an answer of the idempotency service.
    pub fn key_verb(&self, verb: KeyVerb, answer: KeyVerbAnswer, durability: KeyDurability) {
        let labels = [
            pair(label::VERB, verb.as_str()),
            pair(label::ANSWER, answer.as_str()),
            pair(label::DURABILITY, durability.as_str()),
        ];
        self.key_verbs.add(1, &labels);
    }

    /// Counts what Redis said of a key.
    pub fn key_front(&self, answer: FrontAnswer) {
        self.key_front.add(1, &[pair(label::ANSWER, answer.as_str())]);
    }
}

/// Of the registry and the breakers.
impl Metrics {
    /// Says how many living workers host each tool; of tools that are not named there is none any more.
    pub fn workers(&self, hosting: &BTreeMap<ToolName, u64>) {
        let mut now = BTreeMap::new();
        for (tool, many) in hosting {
            // Of the tools past the bound the best hosted one speaks: their sum would count a worker often.
            let most = now.entry(self.tools.bound(tool.as_str())).or_insert(0);
            *most = (*most).max(*many);
        }
        let mut said = self.hosted.lock().unwrap_or_else(PoisonError::into_inner);
        for tool in said.keys() {
            now.entry(tool.clone()).or_insert(0);
        }
        for (tool, many) in &now {
            self.workers.record(*many, &[pair(label::TOOL, tool.clone())]);
        }
        *said = now;
    }

    /// Counts the ejection of a worker.
    pub fn worker_ejected(&self) {
        self.worker_ejections.add(1, &[]);
    }

    /// Says how many workers are ejected.
    pub fn ejected_workers(&self, many: usize) {
        self.workers_ejected.record(u64::try_from(many).unwrap_or(u64::MAX), &[]);
    }

    /// Counts a breaker's transition, and says which state its dependency is in now.
    ///
    /// Dependencies past the bound have no state of their own: only their transitions are counted.
    pub fn breaker_transition(&self, dependency: &str, from: BreakerState, to: BreakerState) {
        self.breaker_move(from, to);
        let dependency = self.dependencies.bound(dependency);
        if dependency == OTHER {
            return;
        }
        for state in BreakerState::ALL {
            let labels = [pair(label::DEPENDENCY, dependency.clone()), pair(label::STATE, state.as_str())];
            self.breaker_state.record(u64::from(*state == to), &labels);
        }
    }
}

/// Of breakers that another replica decides about.
impl Metrics {
    /// Takes back what was said of a dependency's breaker: another replica says it from now on.
    pub fn breaker_unknown(&self, dependency: &str) {
        let dependency = self.dependencies.bound(dependency);
        for state in BreakerState::ALL {
            let labels = [pair(label::DEPENDENCY, dependency.clone()), pair(label::STATE, state.as_str())];
            self.breaker_state.record(0, &labels);
        }
    }
}

/// Of a worker.
impl Metrics {
    /// Counts a worker's slots until what it returns is dropped.
    pub fn worker_slots(&self, slots: usize) -> Held {
        Held::new(&self.worker_slots, i64::try_from(slots).unwrap_or(i64::MAX))
    }

    /// Counts a slot as in use until what it returns is dropped.
    pub fn worker_slot_in_use(&self) -> Held {
        Held::new(&self.worker_slots_in_use, 1)
    }

    /// Counts an attempt as overdue until what it returns is dropped.
    pub fn worker_call_overdue(&self) -> Held {
        Held::new(&self.worker_overdue, 1)
    }

    /// Counts a call as waiting for a slot until what it returns is dropped.
    pub fn worker_queued(&self) -> Held {
        Held::new(&self.worker_queue, 1)
    }
}

/// Of telemetry itself.
impl Metrics {
    /// Counts spans that were not exported.
    pub fn spans_dropped(&self, spans: usize, why: SpanLoss) {
        self.spans_dropped.add(spans as u64, &[pair(label::REASON, why.as_str())]);
    }
}

impl Metrics {
    fn tool(&self, tool: &ToolName) -> KeyValue {
        pair(label::TOOL, self.tools.bound(tool.as_str()))
    }
}
