//! Steps.

use holdfast_types::task::StepStatus;
use holdfast_types::{Failure, StepId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A step's `when` and `for_each` were evaluated: once, whatever changes later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEntered {
    /// The step.
    pub step: StepId,
    /// False: the step is skipped.
    pub proceed: Proceed,
    /// The elements of the list, for a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Value>>,
}

/// What a `when` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Proceed {
    /// The step runs.
    Run,
    /// The step is skipped.
    Skip,
}

/// A step failed apart from any call: an expression of it, or its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFailed {
    /// The step.
    pub step: StepId,
    /// The item, where only one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why.
    pub failure: Failure,
}

/// A step of the task of which this one is a fork, as it ended there: it is not run here. What its calls brought follows
/// as `call_replayed` and `stood_in`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepInherited {
    /// The step.
    pub step: StepId,
    /// How it ended.
    pub status: StepStatus,
    /// The elements of the list, for a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Value>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The subtasks that ended without a call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<InheritedSlot>,
}

/// A subtask that ended without a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InheritedSlot {
    /// The item, in a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// How it ended.
    pub status: StepStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}
