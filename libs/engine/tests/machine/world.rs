//! The world that tools change: a ledger of effects, workers that may die or live on, and faults by script.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_types::worker::{CallOutcome, FenceAnswer, ProbeAnswer, Success};
use holdfast_types::{CallId, Class, Effect, Failure, Key, Payload, Reason, SideEffect};
use serde_json::json;

/// In place of a count: at every execution.
pub const EVERY: u32 = 0;

/// What a tool does at its n-th execution (over all calls of that step), instead of succeeding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fails before any effect, in passing.
    Transient,
    /// Takes effect, and then fails: nobody knows.
    Ambiguous,
    /// Fails for good, before any effect.
    Permanent,
    /// The request was bad.
    Semantic,
    /// Takes effect, and another task is answered from its key.
    Shared,
    /// At its n-th look for a worker: nobody hosts the tool.
    Absent,
    /// At its n-th look for a worker: the tool's breaker is open, for ten seconds yet.
    Shut,
    /// Succeeds, but only after everything else that may happen has happened.
    Slow,
    /// Fails in passing, as late.
    SlowTransient,
}

/// Who remembers what: the ledger is the world, the calls are a worker's memory.
#[derive(Debug, Default, Clone)]
pub struct World {
    /// Every effect: the call's name.
    pub effects: Vec<CallId>,
    /// Keys that an idempotent tool has seen.
    seen: BTreeSet<Key>,
    /// What happened under a key, for probes.
    deeds: BTreeMap<Key, Payload>,
    /// Faults by step and by how often it was executed.
    pub faults: BTreeMap<(String, u32), Fault>,
    executions: BTreeMap<String, u32>,
    looks: BTreeMap<String, u32>,
    /// The worker's memory: attempts by call and number. Emptied when the worker dies.
    memory: BTreeMap<(CallId, u32), CallOutcome>,
    /// The highest epoch that the worker was shown, by call.
    fences: BTreeMap<CallId, u64>,
    /// The last outcome comes late.
    pub late: bool,
    /// How many times anything was executed.
    pub runs: u32,
}

impl World {
    /// Executes an attempt, or attaches to one that has ended.
    pub fn execute(
        &mut self,
        call: &CallId,
        attempt: u32,
        epoch: u64,
        class: SideEffect,
        key: &Key,
    ) -> CallOutcome {
        if self.fences.get(call).is_some_and(|fence| *fence > epoch) {
            return Err(Failure::new(Class::Cancelled, Effect::NotExecuted, Reason::StaleEpoch, "stale"));
        }
        self.fences.insert(call.clone(), epoch);
        self.late = false;
        if let Some(outcome) = self.memory.get(&(call.clone(), attempt)) {
            return outcome.clone();
        }
        self.runs += 1;
        let name = name_of(call);
        let nth = self.executions.entry(name.clone()).or_default();
        *nth += 1;
        let nth = *nth;
        let fault = self.fault(&name, nth);
        self.late = matches!(fault, Some(Fault::Slow | Fault::SlowTransient));
        let outcome = match fault {
            None | Some(Fault::Absent | Fault::Shut | Fault::Slow | Fault::Shared) => {
                self.effect(call, class, key);
                Ok(Success { result: result_of(call), replayed_downstream: false })
            }
            Some(Fault::Transient | Fault::SlowTransient) => Err(fail(Class::Transient, Effect::NotExecuted)),
            Some(Fault::Permanent) => Err(fail(Class::Permanent, Effect::NotExecuted)),
            Some(Fault::Semantic) => Err(fail(Class::Semantic, Effect::NotExecuted)),
            Some(Fault::Ambiguous) => {
                self.effect(call, class, key);
                Err(fail(
                    if class.is_repeatable() { Class::Transient } else { Class::Ambiguous },
                    Effect::Unknown,
                ))
            }
        };
        self.memory.insert((call.clone(), attempt), outcome.clone());
        outcome
    }

    pub fn is_shared(&self, call: &CallId) -> bool {
        self.faults.get(&(name_of(call), EVERY)) == Some(&Fault::Shared)
    }

    fn fault(&self, name: &str, nth: u32) -> Option<Fault> {
        let at = |nth| self.faults.get(&(name.to_owned(), nth)).copied();
        at(nth).or_else(|| at(EVERY))
    }

    /// Looks for a worker that hosts a call's tool, through its breaker.
    pub fn look(&mut self, call: &CallId, tool: &str) -> Result<(), Failure> {
        let name = name_of(call);
        let nth = self.looks.entry(name.clone()).or_default();
        *nth += 1;
        let nth = *nth;
        let unavailable =
            |reason, message| Failure::new(Class::Unavailable, Effect::NotExecuted, reason, message);
        match self.fault(&name, nth) {
            Some(Fault::Absent) => Err(unavailable(Reason::ToolGone, format!("no live worker hosts {tool}"))),
            Some(Fault::Shut) => {
                let message = format!("the breaker of {tool} is open");
                Err(unavailable(Reason::CircuitOpen, message).retry_after(Duration::from_secs(10)))
            }
            _ => Ok(()),
        }
    }

    fn effect(&mut self, call: &CallId, class: SideEffect, key: &Key) {
        self.deeds.insert(key.clone(), result_of(call));
        let repeated = !self.seen.insert(key.clone());
        if class == SideEffect::ReadOnly || (class == SideEffect::Idempotent && repeated) {
            return;
        }
        self.effects.push(call.clone());
    }

    pub fn fence(&mut self, call: &CallId, attempt: u32, epoch: u64) -> FenceAnswer {
        self.fences.insert(call.clone(), epoch);
        match self.memory.get(&(call.clone(), attempt)) {
            Some(outcome) => FenceAnswer::Finished(outcome.clone()),
            None => FenceAnswer::NeverSeen,
        }
    }

    pub fn probe(&self, key: &Key) -> ProbeAnswer {
        match self.deeds.get(key) {
            Some(result) => ProbeAnswer::Done { result: result.clone() },
            None => ProbeAnswer::NotDone,
        }
    }

    /// The worker's process dies: its memory goes, the world stays.
    pub fn kill_worker(&mut self) {
        self.memory.clear();
        self.fences.clear();
    }

    pub fn count(&self, call: &str) -> usize {
        self.effects.iter().filter(|effect| effect.to_string() == call).count()
    }
}

/// A call's name over all items of its step.
fn name_of(call: &CallId) -> String {
    let text = call.to_string();
    let suffix = text.find('~').map_or("", |at| &text[at..]);
    format!("{}{suffix}", call.step)
}

fn result_of(call: &CallId) -> Payload {
    Payload::Json(json!({ "by": call.to_string() }))
}

fn fail(class: Class, effect: Effect) -> Failure {
    Failure::new(class, effect, Reason::DependencyError, "as the script says")
}
