//! Undos: how a call is undone, what comes before it, and why it is not run (PROTOCOL 7, 8).

use holdfast_types::{CallId, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A call of which nobody knows whether it happened is to be undone: it is settled first. Its key is a tombstone from
/// here on, so that nobody else runs it or is answered from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettlingBegan {
    /// The forward call.
    pub call: CallId,
    /// How its outcome is found out.
    pub by: SettledBy,
}

/// How the outcome of a call is found out before its undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SettledBy {
    /// The same call is sent again under its key: that is harmless, and gives the definite result.
    SameCall,
    /// A person is asked: the tool does not remember the key any more.
    Person,
}

/// How a call is undone, as data: it runs without the code that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoIntent {
    /// The tool that undoes.
    pub tool: ToolName,
    /// The template of its arguments, over `args`, `result`, `key`, inputs and steps.
    pub args: Value,
}

/// An undo is not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoSkipped {
    /// The undo's call.
    pub call: CallId,
    /// Why.
    pub why: SkippedUndo,
}

/// Why an undo is not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SkippedUndo {
    /// The deed never happened.
    NeverHappened,
    /// Other tasks were answered from the same key: it stands, and is listed (PROTOCOL 7).
    SharedWith {
        /// How many tasks.
        tasks: u32,
    },
    /// The time for compensation is over.
    OutOfTime,
}
