//! What another task may take over of this one: results, not undos (PROTOCOL 7).
//!
//! A fork is a task of its own, with a journal of its own. That begins as any other's does; then come the steps that had
//! ended in the source, and what their calls brought, each as recorded by the call that executed it. Nothing of how it
//! came about is taken over: no attempt, no key, no undo.

mod part;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_types::journal::{EventRow, Reliance};
use holdfast_types::task::TaskSpec;
use holdfast_types::{CallId, Key, StepId, TaskId};

use crate::{Event, FoldError};
use part::Part;
use source::Source;

/// Where a fork is to begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForkPoint {
    /// The last event of the source that it knows of; none: the source's last.
    pub at_seq: Option<u64>,
    /// The step that it runs itself whatever became of it, with all that depends on it; none: what had not ended, or had
    /// failed.
    pub from_step: Option<StepId>,
}

/// What a fork begins with.
#[derive(Debug, Clone)]
pub struct Inherited {
    /// What the source was to do.
    pub spec: Arc<TaskSpec>,
    /// The last event of the source that it knows of.
    pub at_seq: u64,
    /// The steps of which something is taken over, in the plan's order.
    pub steps: Vec<StepId>,
    /// The events that follow the fork's submission.
    pub events: Vec<Event>,
    /// The operations on which it relies: one a key.
    pub relies_on: Vec<Reliance>,
}

/// Why there is no fork.
#[derive(Debug, thiserror::Error)]
pub enum NoFork {
    /// The source's journal does not fold.
    #[error(transparent)]
    Source(#[from] FoldError),
    /// The plan has no such step.
    #[error("the plan has no step '{step}'")]
    NoStep {
        /// What was asked for.
        step: StepId,
    },
    /// The journal has no such event.
    #[error("event {at_seq} lies beyond the last event, {last_seq}")]
    BeyondEnd {
        /// What was asked for.
        at_seq: u64,
        /// The last event.
        last_seq: u64,
    },
    /// Calls are open there: nobody knows yet what there is to take over.
    #[error("at event {at_seq} {} open; the nearest place before it without an open call is event {nearest}", are(.calls))]
    Open {
        /// What was asked for.
        at_seq: u64,
        /// The open calls.
        calls: Vec<CallId>,
        /// The last event before it at which no call was open.
        nearest: u64,
    },
    /// What would be taken over stands no more.
    #[error("the source has undone, or begun to undo, what would be taken over: {}; begin with step '{first}' or an earlier one", names(.calls))]
    Undone {
        /// The calls.
        calls: Vec<CallId>,
        /// The first of their steps, in the plan's order.
        first: StepId,
    },
}

fn names(calls: &[CallId]) -> String {
    calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn are(calls: &[CallId]) -> String {
    format!("{} {}", names(calls), if calls.len() == 1 { "is" } else { "are" })
}

/// Reads what a fork of a task begins with from the task's whole journal.
///
/// # Errors
/// [`NoFork`].
pub fn inherit(source: TaskId, rows: &[EventRow], point: &ForkPoint) -> Result<Inherited, NoFork> {
    let last_seq = rows.last().map_or(0, |row| row.seq);
    let at_seq = point.at_seq.unwrap_or(last_seq);
    if at_seq > last_seq || at_seq == 0 {
        return Err(NoFork::BeyondEnd { at_seq, last_seq });
    }
    let (there, now) = Source::read(source, rows, at_seq)?;
    let from = match &point.from_step {
        None => None,
        Some(step) => Some(there.task.step_index(step).ok_or_else(|| NoFork::NoStep { step: step.clone() })?),
    };
    if !there.open.is_empty() {
        let calls = there.open.iter().cloned().collect();
        return Err(NoFork::Open { at_seq, calls, nearest: there.boundary });
    }
    let part = Part::of(&there, from);
    let gone: Vec<CallId> =
        part.calls().filter(|call| now.has_begun_to_undo(&call.id)).map(|call| call.id.clone()).collect();
    if let Some(first) = gone.iter().filter_map(|call| there.task.step_index(&call.step)).min() {
        let first = there.task.plan().steps[first].id.clone();
        return Err(NoFork::Undone { calls: gone, first });
    }
    let mut relies_on: BTreeMap<Key, Reliance> = BTreeMap::new();
    for on in part.calls().filter_map(|call| there.relies_on(call)) {
        relies_on.entry(on.key.clone()).or_insert(on);
    }
    Ok(Inherited {
        at_seq,
        steps: part.steps(),
        events: part.events(),
        relies_on: relies_on.into_values().collect(),
        spec: there.task.spec.clone(),
    })
}
