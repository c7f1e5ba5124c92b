//! What a finished task says of itself beside its output.

use holdfast_types::{CallId, Failure, Key, StepId, ToolName};
use serde::{Deserialize, Serialize};

/// The account of a task: exact, in the plan's order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Steps whose result stands in or is partial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Annotation>,
    /// OPTIONAL steps that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Annotation>,
    /// Deeds that were undone, in the order of their undos.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<CallId>,
    /// Deeds that stand although the task did not succeed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stands: Vec<Standing>,
    /// Calls of which nobody knows whether they happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<CallId>,
    /// How often something was tried again.
    #[serde(default)]
    pub retries: u64,
    /// How often a recorded result answered.
    #[serde(default)]
    pub replays: u64,
    /// How many lives the task had.
    #[serde(default)]
    pub lives: u64,
}

/// A step that is not what it should be, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// The step.
    pub step: StepId,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A deed that stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The call.
    pub call: CallId,
    /// Why it was not undone.
    pub why: String,
    /// The tool that did it; none in journals from before 0.2, as of all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolName>,
    /// The key by which the other side may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// What became of its undo, where that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<FailedUndo>,
}

/// An undo that failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedUndo {
    /// The undo's call.
    pub call: CallId,
    /// How many attempts were intended.
    pub attempts: u32,
    /// What the last one met.
    pub failure: Failure,
}
