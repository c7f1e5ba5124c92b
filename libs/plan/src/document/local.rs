//! What only `holdfast run` and `holdfast dev` read.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a plan needs on the machine that runs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// Workers to start with the run, and to stop with it.
    #[serde(default)]
    pub workers: Vec<LocalWorker>,
    /// What the built-in tools may touch; asked for on a terminal, elsewhere to be granted.
    #[serde(default)]
    pub allow: Allow,
}

/// A worker to start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Worker")]
pub struct LocalWorker {
    /// The program and its arguments; they may hold `${inputs.NAME}`.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
}

/// What is asked for. Each text may hold `${inputs.NAME}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Programs that may be run.
    #[serde(default)]
    pub exec: Vec<String>,
    /// Files and folders that may be read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Files and folders that may be written.
    #[serde(default)]
    pub write: Vec<String>,
}
