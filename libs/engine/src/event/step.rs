//! Steps.

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
