//! A worker: its tools, its executor, and the parts it is composed of.

use std::path::PathBuf;
use std::sync::Arc;

use holdfast_ports::{Blobs, Keys, Tools};
use holdfast_runtime::{Clock, Ids};
use holdfast_telemetry::Metrics;
use holdfast_tool::Tool;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Timestamp, WorkerId};

use crate::executor::Parts;
use crate::toolbox::Toolbox;
use crate::{Config, Error, Executor, builtin};

/// What a worker is given by whoever composes it.
#[derive(Clone)]
pub struct Deps {
    /// The clock by which `not_after` is judged.
    pub clock: Arc<dyn Clock>,
    /// Makes the id of this incarnation.
    pub ids: Ids,
    /// Where large arguments and results stand; without it results above 4 MiB are refused.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Where results of calls that must not be repeated are kept as evidence.
    pub keys: Option<Arc<dyn Keys>>,
    /// How programs are guarded.
    pub guard: GuardCommand,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The command that runs a program under the guard: a binary that calls [`crate::guard::main`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardCommand {
    /// The binary.
    pub program: PathBuf,
    /// The arguments that lead to the guard, before `--`.
    pub args: Vec<String>,
}

impl Default for GuardCommand {
    /// This binary itself, as it was when it started, with the subcommand `guard`.
    fn default() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), args: vec!["guard".to_owned()] }
    }
}

/// A worker that hosts tools.
#[derive(Clone)]
pub struct Worker {
    executor: Executor,
    config: Config,
    started_at: Timestamp,
}

impl Worker {
    /// Makes a worker of the built-in tools that the configuration wants, and `tools`.
    ///
    /// # Errors
    /// [`Error`] where two tools have one name, a schema can't be used, or the configuration breaks a rule.
    pub fn new(config: Config, deps: Deps, tools: Vec<Arc<dyn Tool>>) -> Result<Self, Error> {
        let id = deps.ids.worker();
        Self::incarnation(id, config, deps, tools)
    }

    /// Makes a worker whose incarnation has an id already: whoever started its process gave it one, to know it by.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn incarnation(
        id: WorkerId,
        config: Config,
        deps: Deps,
        tools: Vec<Arc<dyn Tool>>,
    ) -> Result<Self, Error> {
        let mut hosted = builtin::tools(&config, &deps)?;
        hosted.extend(tools);
        let started_at = deps.clock.now();
        let parts = Parts {
            id,
            toolbox: Toolbox::new(hosted)?,
            clock: deps.clock,
            blobs: deps.blobs,
            keys: deps.keys,
            metrics: deps.metrics,
        };
        let executor = Executor::new(config.clone(), parts)?;
        Ok(Self { executor, config, started_at })
    }

    /// Returns this incarnation's id.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.executor.id()
    }

    /// Returns the executor.
    #[must_use]
    pub const fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Returns the worker's verbs, for callers in the same process.
    #[must_use]
    pub fn tools(&self) -> Arc<dyn Tools> {
        Arc::new(self.executor.clone())
    }

    /// Returns what the worker says of itself when it registers, reachable at `address`.
    #[must_use]
    pub fn info(&self, address: String) -> WorkerInfo {
        WorkerInfo {
            id: self.id(),
            address,
            slots: u32::try_from(self.config.slots).unwrap_or(u32::MAX),
            tools: self.executor.manifests(),
        }
    }
}
