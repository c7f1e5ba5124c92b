//! How a step's call is retried, hedged, replaced and undone.

use holdfast_types::retry::Jitter;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::words::{DurationText, Word, present};

/// How a call is tried again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Retry")]
pub(crate) enum RetryDoc {
    /// Not at all.
    None(#[allow(dead_code)] NoneWord),
    /// Like this.
    Policy(RetryPolicyDoc),
}

/// The word `none`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(rename = "None")]
pub(crate) enum NoneWord {
    /// None.
    #[serde(rename = "none")]
    None,
}

/// What is said over the tool's own retry policy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RetryPolicy")]
pub(crate) struct RetryPolicyDoc {
    /// Attempts in all, the first included.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) max_attempts: Option<u32>,
    /// The first step of the backoff.
    #[serde(default)]
    pub(crate) base: Option<DurationText>,
    /// The largest step of the backoff.
    #[serde(default)]
    pub(crate) cap: Option<DurationText>,
    /// How waits are spread.
    #[serde(default)]
    pub(crate) jitter: Option<Word<Jitter>>,
}

/// A second attempt of a slow call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hedge")]
pub(crate) struct HedgeDoc {
    /// Starts it after this long.
    pub(crate) after: DurationText,
}

/// What stands in for a call that failed: exactly one of a tool, the last good result, or a value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fallback")]
pub(crate) struct FallbackDoc {
    /// Another tool.
    #[serde(default)]
    pub(crate) tool: Option<String>,
    /// That tool's arguments; besides the step's variables they may read `failure`.
    #[serde(default)]
    pub(crate) args: Option<Map<String, Value>>,
    /// The newest recorded result of the same tool and arguments, not older than this.
    #[serde(default)]
    pub(crate) last_good: Option<DurationText>,
    /// A value.
    #[serde(default, deserialize_with = "present")]
    pub(crate) value: Option<Value>,
}

/// How a call is undone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Undo")]
pub(crate) enum UndoDoc {
    /// Not at all.
    None(#[allow(dead_code)] NoneWord),
    /// By a tool.
    Tool(UndoToolDoc),
}

/// The tool that undoes a call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UndoTool")]
pub(crate) struct UndoToolDoc {
    /// The tool.
    pub(crate) tool: String,
    /// Its arguments; besides the step's variables they may read `args`, `result` (null if never known) and `key`.
    #[serde(default)]
    pub(crate) args: Option<Map<String, Value>>,
}
