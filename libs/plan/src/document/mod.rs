//! The shape of a plan document. The comments here are what editors show: `proto/plan.schema.json` is made of them.

mod call;
mod local;
mod step;
mod words;

use std::collections::BTreeMap;

use holdfast_types::plan::OnEnd;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use call::{FallbackDoc, RetryDoc, UndoDoc};
pub use local::{Allow, Local, LocalWorker};
pub(crate) use step::{Count, ItemsDoc, StepDoc, WhenDoc};
pub(crate) use words::{DurationText, Word};

/// A Holdfast plan: steps that call tools, in parallel where nothing orders them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Holdfast plan")]
pub(crate) struct PlanDoc {
    /// The version of the format.
    #[allow(dead_code)] // one version so far: reading it is checking it
    pub(crate) holdfast: Version,
    /// The plan's name.
    pub(crate) name: String,
    /// What the caller sets: a JSON Schema a name, with `default` where it need not be set.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Map<String, Value>>,
    /// How long the task may take, from its submission (`2m`, `1h30m`). Default 24h.
    #[serde(default)]
    pub(crate) deadline: Option<DurationText>,
    /// How long the undos may take in all. Default 10m.
    #[serde(default)]
    pub(crate) compensation_timeout: Option<DurationText>,
    /// Labels of the task, to find it by.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// What happens to what was done when the task fails or passes its deadline. Default COMPENSATE.
    #[serde(default)]
    pub(crate) on_failure: Option<Word<OnEnd>>,
    /// What happens to what was done when the task is cancelled. Default COMPENSATE.
    #[serde(default)]
    pub(crate) on_cancel: Option<Word<OnEnd>>,
    /// Read by `holdfast run` and `holdfast dev` only; a server refuses it.
    #[serde(default)]
    pub(crate) local: Option<Local>,
    /// The steps. They run at once where nothing orders them.
    pub(crate) steps: Vec<StepDoc>,
    /// The task's output, evaluated at its end. Default: a map of step id to result.
    #[serde(default, deserialize_with = "words::present")]
    pub(crate) output: Option<Value>,
}

/// The version of the format.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Version {
    /// The first.
    V1,
}
