//! Steps.

use holdfast_types::SideEffect;
use holdfast_types::plan::{Importance, Rest};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{FallbackDoc, HedgeDoc, RetryDoc, UndoDoc};
use super::words::{DurationText, Word, present};

/// A step: one call of a tool, one call an element of a list (`for_each`), or steps that count together (`group`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
pub(crate) struct StepDoc {
    /// Unique in the whole plan: `[a-z][a-z0-9_]{0,63}`. Others read it as `steps.ID`.
    pub(crate) id: String,
    /// The tool that it calls.
    #[serde(default)]
    pub(crate) tool: Option<String>,
    /// In place of `tool`: steps that count together.
    #[serde(default)]
    pub(crate) group: Option<Vec<StepDoc>>,
    /// The tool's arguments. Strings may hold `${expression}`.
    #[serde(default)]
    pub(crate) args: Option<Map<String, Value>>,
    /// A bare expression that gives a list, or a list: one call an element, with `item` and `index`.
    #[serde(default)]
    pub(crate) for_each: Option<ItemsDoc>,
    /// A bare expression, evaluated once when the dependencies have ended; false: the step is skipped.
    #[serde(default)]
    pub(crate) when: Option<WhenDoc>,
    /// Steps that must have ended before, besides those that its expressions name.
    #[serde(default)]
    pub(crate) depends_on: Option<Vec<String>>,
    /// What its failure means, of a fan-out: that of each item. Default CRITICAL.
    #[serde(default)]
    pub(crate) importance: Option<Word<Importance>>,
    /// How many members or items must succeed: a number, or a part of the total such as `80%`.
    #[serde(default)]
    pub(crate) min_successes: Option<Count>,
    /// How many items run at once.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) concurrency: Option<u32>,
    /// Of a group: what becomes of the members that still run when the quorum stands. Default WAIT.
    #[serde(default)]
    pub(crate) rest: Option<Word<Rest>>,
    /// Of the whole step: attempts, waits and fallbacks. Default 10m.
    #[serde(default)]
    pub(crate) timeout: Option<DurationText>,
    /// Of one attempt. Default: the tool's.
    #[serde(default)]
    pub(crate) attempt_timeout: Option<DurationText>,
    /// How the call is tried again, over the tool's own policy; or `none`.
    #[serde(default)]
    pub(crate) retry: Option<RetryDoc>,
    /// Starts a second attempt of a slow call; only READ_ONLY and IDEMPOTENT.
    #[serde(default)]
    pub(crate) hedge: Option<HedgeDoc>,
    /// A business key: the same value is executed once in the namespace, whoever asks.
    #[serde(default, deserialize_with = "present")]
    pub(crate) key: Option<Value>,
    /// In place of the manifest's class.
    #[serde(default)]
    pub(crate) side_effect: Option<Word<SideEffect>>,
    /// What stands in when the call fails, tried in order.
    #[serde(default)]
    pub(crate) fallback: Option<Vec<FallbackDoc>>,
    /// How the call is undone, in place of the manifest's undo; or `none`.
    #[serde(default)]
    pub(crate) undo: Option<UndoDoc>,
    /// The call can't be undone: after it succeeded nothing before it is.
    #[serde(default)]
    pub(crate) irreversible: Option<bool>,
}

/// The list of a fan-out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ForEach")]
pub(crate) enum ItemsDoc {
    /// An expression that gives a list.
    Expression(String),
    /// The list.
    List(Vec<Value>),
}

/// A condition.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "When")]
pub(crate) enum WhenDoc {
    /// An expression that gives true or false.
    Expression(String),
    /// Always, or never.
    Constant(bool),
}

/// How many.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Count {
    /// That many.
    Number(u32),
    /// A part of the total, rounded up.
    Percent(#[schemars(regex(pattern = r"^(100|[0-9]{1,2})%$"))] String),
}
