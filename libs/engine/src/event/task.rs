//! The beginning and the end of a task, and of its lives.

use std::collections::BTreeMap;

use holdfast_types::plan::OnEnd;
use holdfast_types::task::TaskSpec;
use holdfast_types::{Failure, InstanceId, Payload, StepId, TaskOutcome};
use serde::{Deserialize, Serialize};

use crate::report::Report;

/// The task was accepted. Always the first event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// What it is to do, pinned for its whole life.
    pub spec: TaskSpec,
}

/// A driver took the task over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LifeStarted {
    /// The epoch of its claim.
    pub epoch: u64,
    /// Who drives.
    pub instance: InstanceId,
    /// Why there is a new life.
    pub resume: Resume,
}

/// Why a task has a new life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resume {
    /// It is the first.
    First,
    /// The one before gave the task back (a wait, a drain).
    Released,
    /// The one before ended without a word: an infrastructure crash, resumed verbatim.
    Crash,
}

/// The task will not succeed: nothing new starts, open calls are settled, and then it ends (PROTOCOL 11).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictReached {
    /// The verdict.
    pub verdict: Verdict,
    /// What becomes of what was done.
    pub on_end: OnEnd,
}

/// Why a task will not succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// A critical step failed.
    Failed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// It was called off.
    Cancelled {
        /// Why, for people.
        reason: String,
    },
    /// Its deadline passed.
    Deadline,
}

/// The task killed its drivers, and is not claimed again until an operator says so (PROTOCOL 18).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// How many lives in a row brought nothing.
    pub barren_lives: u32,
}

/// The task ended. Always the last event, but for a later `Compensate` (PROTOCOL 14).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub outcome: TaskOutcome,
    /// Its output; null where there is none.
    pub output: Payload,
    /// What failed it, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What is missing, what stands in, what stands, what is unknown.
    #[serde(default)]
    pub report: Report,
    /// Free room for later: names to short texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}
