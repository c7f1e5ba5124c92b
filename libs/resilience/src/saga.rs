//! The order of compensation: given what was done and how far its undos are, which undos may start now.
//!
//! An undo waits for the undos of everything that depends on its step, directly or not. What no dependency
//! orders may run at once, and is given in this order: unsettled calls by order of intent, then completed ones
//! by reverse order of completion (PROTOCOL 8).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::manifest::Reversibility;
use holdfast_types::{CallId, StepId};

/// Each step's direct dependencies. Without a cycle; steps that are not in it have none.
pub type Dependencies = BTreeMap<StepId, BTreeSet<StepId>>;

/// What is known of a forward call that has, or may have, an effect to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Whether it happened is not known. To undo it means to settle it first.
    Unsettled {
        /// The place of its intent in the journal.
        intent: u64,
    },
    /// It happened.
    Completed {
        /// The place of its outcome in the journal.
        outcome: u64,
    },
}

/// How far a call's undo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not begun.
    Waiting,
    /// Begun: settling, undoing, between retries, or waiting for a person.
    Running,
    /// Done, needless, recorded as "never happened", or failed for good (the others still run).
    Ended,
}

/// A forward call in the eyes of compensation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The forward call.
    pub call: CallId,
    /// What is known of it.
    pub standing: Standing,
    /// How far its undo is.
    pub progress: Progress,
    /// Whether it can be taken back at all: an irreversible one is a pivot.
    pub reversibility: Reversibility,
}

/// What compensation does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// These undos may start now, in this order.
    Start(Vec<&'a CallId>),
    /// Nothing may start before one that runs has ended.
    Wait,
    /// Every undo has ended.
    Done,
    /// A pivot succeeded: nothing is undone any more; what failed after it is retried forward, then a person is
    /// asked.
    Pivot(&'a CallId),
}

/// Says what compensation does next. Pure: the same deeds always give the same answer, so that a resume goes on
/// where the last life stopped.
///
/// An unsettled pivot holds everything else back: if it turns out to have happened, nothing is undone.
#[must_use]
pub fn next<'a>(deeds: &'a [Deed], dependencies: &Dependencies) -> Next<'a> {
    if let Some(pivot) = deeds.iter().find(|deed| deed.is_pivot() && !deed.is_unsettled()) {
        return Next::Pivot(&pivot.call);
    }
    let open: Vec<&Deed> = deeds.iter().filter(|deed| deed.progress != Progress::Ended).collect();
    if open.is_empty() {
        return Next::Done;
    }
    let held_by_pivot = open.iter().any(|deed| deed.is_pivot());
    let blocked = ancestors(open.iter().map(|deed| &deed.call.step), dependencies);

    let mut ready: Vec<&Deed> = open
        .into_iter()
        .filter(|deed| deed.progress == Progress::Waiting)
        .filter(|deed| if held_by_pivot { deed.is_pivot() } else { !blocked.contains(&deed.call.step) })
        .collect();
    ready.sort_by_key(|deed| deed.standing.rank());
    match ready.is_empty() {
        true => Next::Wait,
        false => Next::Start(ready.into_iter().map(|deed| &deed.call).collect()),
    }
}

impl Deed {
    fn is_pivot(&self) -> bool {
        self.reversibility == Reversibility::Irreversible
    }

    const fn is_unsettled(&self) -> bool {
        matches!(self.standing, Standing::Unsettled { .. })
    }
}

impl Standing {
    /// Unsettled first, by order of intent; then the latest completion first.
    const fn rank(self) -> (u8, u64) {
        match self {
            Self::Unsettled { intent } => (0, intent),
            Self::Completed { outcome } => (1, u64::MAX - outcome),
        }
    }
}

/// Every step that one of `steps` depends on, directly or not.
fn ancestors<'a>(
    steps: impl Iterator<Item = &'a StepId>,
    dependencies: &'a Dependencies,
) -> BTreeSet<&'a StepId> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&StepId> = steps.collect();
    todo.sort_unstable();
    todo.dedup();
    while let Some(step) = todo.pop() {
        for dependency in dependencies.get(step).into_iter().flatten() {
            if seen.insert(dependency) {
                todo.push(dependency);
            }
        }
    }
    seen
}

#[cfg(test)]
#[path = "saga/tests.rs"]
mod tests;
