//! The executor: takes calls, runs them, and answers for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Blobs, ExecuteStream, Keys, Tools};
use holdfast_runtime::Clock;
use holdfast_telemetry::{Held, Metrics};
use holdfast_types::worker::{CallRef, Execute, FenceAnswer, ProbeAnswer, Recorded};
use holdfast_types::{Failure, Key, Timestamp, ToolManifest, ToolName, WorkerId};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::{self, Admission, Cause, Fenced, Refusal, Retention, Running, Table, When};
use crate::probe;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::toolbox::{Hosted, Toolbox};
use crate::{Config, Error};

/// How long a fence that named no `not_after` is remembered: longer than any task may live by default.
const FENCE_MEMORY: Duration = Duration::from_secs(24 * 3_600);

/// How many calls with forgotten outcomes are remembered as such (about 200 bytes each).
const FORGOTTEN_CALLS: usize = 100_000;

/// The longest reason of a cancellation that is kept, in characters.
const REASON_LIMIT: usize = 200;

/// Runs the calls of one worker. Cheap to clone; clones are the same executor.
#[derive(Clone)]
pub struct Executor {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) id: WorkerId,
    pub(crate) config: Config,
    pub(crate) toolbox: Toolbox,
    pub(crate) secrets: Secrets,
    pub(crate) blobs: Option<Arc<dyn Blobs>>,
    pub(crate) keys: Option<Arc<dyn Keys>>,
    /// The running calls.
    pub(crate) slots: Arc<Semaphore>,
    /// The running and the waiting calls.
    places: Arc<Semaphore>,
    // A std mutex: the table does no I/O and never waits.
    table: Mutex<Table>,
    draining: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) metrics: Arc<Metrics>,
    _slots_counted: Held,
}

/// What an executor is given beside its configuration.
pub(crate) struct Parts {
    pub(crate) id: WorkerId,
    pub(crate) toolbox: Toolbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) blobs: Option<Arc<dyn Blobs>>,
    pub(crate) keys: Option<Arc<dyn Keys>>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Executor {
    pub(crate) fn new(config: Config, parts: Parts) -> Result<Self, Error> {
        if config.slots == 0 {
            let why = "a worker needs at least one slot".to_owned();
            return Err(Error::Config { field: "slots", why });
        }
        let retention =
            Retention { result: config.result_retention, fence: FENCE_MEMORY, forgotten: FORGOTTEN_CALLS };
        let shared = Shared {
            id: parts.id,
            toolbox: parts.toolbox,
            secrets: Secrets::new(config.grants.secrets.clone()),
            table: Mutex::new(Table::new(retention, parts.clock)),
            blobs: parts.blobs,
            keys: parts.keys,
            slots: Arc::new(Semaphore::new(config.slots)),
            places: Arc::new(Semaphore::new(config.slots + config.queue)),
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _slots_counted: parts.metrics.worker_slots(config.slots),
            metrics: parts.metrics,
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns this incarnation's id.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.shared.id
    }

    /// Returns the manifests of the hosted tools, in the order of their names.
    #[must_use]
    pub fn manifests(&self) -> Vec<ToolManifest> {
        self.shared.toolbox.manifests()
    }

    /// Returns how many calls run, and how many wait for a slot.
    #[must_use]
    pub fn load(&self) -> Load {
        let config = &self.shared.config;
        let running = config.slots - self.shared.slots.available_permits();
        let placed = config.slots + config.queue - self.shared.places.available_permits();
        Load { running, waiting: placed.saturating_sub(running) }
    }

    /// Says whether the worker takes no new calls.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.draining.is_cancelled()
    }

    /// Takes no new calls from now on.
    pub fn drain(&self) {
        self.shared.draining.cancel();
        self.shared.tasks.close();
    }

    /// Waits until every call that was taken has ended; only after [`Executor::drain`]. Cancel-safe.
    pub async fn drained(&self) {
        self.shared.tasks.wait().await;
    }

    /// Stops every running call.
    pub fn abort(&self) {
        let running = self.table().running();
        for attempt in running {
            attempt.stop(Cause::ShuttingDown);
        }
    }

    /// Closes the attempts of a call below `epoch`, and remembers it until `not_after`.
    ///
    /// An attempt that can't have begun its effect is stopped; of one whose effect may have begun, `adopt` says
    /// whether it is left running for the new driver to attach to.
    ///
    /// # Errors
    /// `WRONG_INCARNATION` or `STALE_EPOCH`.
    pub async fn fence_until(
        &self,
        worker: WorkerId,
        call: &CallRef,
        epoch: u64,
        not_after: Option<Timestamp>,
        adopt: Adopt,
    ) -> Result<FenceAnswer, Failure> {
        self.meant(worker)?;
        let running = match adopt {
            Adopt::Running => Running::Adopt,
            Adopt::Nothing => Running::Stop,
        };
        let fenced = self.table().fence(call, epoch, not_after, running)?;
        match fenced {
            Fenced::Answer(answer) => Ok(answer),
            Fenced::Stopping(attempt) => {
                attempt.ended().await;
                Ok(attempt.outcome().map_or(FenceAnswer::Interrupted, |end| calls::answer_of(&attempt, &end)))
            }
        }
    }

    /// Stops a running call, and says where it was.
    ///
    /// # Errors
    /// `WRONG_INCARNATION` or `STALE_EPOCH`.
    pub fn cancel_call(
        &self,
        worker: WorkerId,
        call: &CallRef,
        epoch: u64,
        reason: &str,
    ) -> Result<Cancelled, Failure> {
        self.meant(worker)?;
        let found = self.table().cancel(call, epoch)?;
        let reason = reason.chars().take(REASON_LIMIT).collect();
        Ok(match found {
            Some(attempt) if attempt.outcome().is_some() => Cancelled::Finished,
            Some(attempt) => match attempt.stop(Cause::Cancelled(reason)) {
                When::BeforeEffect => Cancelled::BeforeEffect,
                When::AfterEffect => Cancelled::Stopping,
            },
            None => Cancelled::NotFound,
        })
    }

    fn hosted(&self, tool: &ToolName) -> Result<&Arc<Hosted>, Refusal> {
        self.shared.toolbox.get(tool).ok_or_else(|| Refusal::ToolGone { tool: tool.clone() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while it is held would be a bug of the table; its rows are each whole at any moment.
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meant(&self, worker: WorkerId) -> Result<(), Refusal> {
        if worker == self.shared.id {
            return Ok(());
        }
        Err(Refusal::WrongIncarnation { answering: self.shared.id })
    }
}

#[async_trait]
impl Tools for Executor {
    async fn execute(&self, execute: Execute) -> Result<ExecuteStream, Failure> {
        self.meant(execute.worker)?;
        let hosted = Arc::clone(self.hosted(&execute.tool)?);
        let by_manifest = || {
            let args = execute.args.as_json();
            args.map_or(hosted.manifest.side_effect, |args| hosted.manifest.class_of(args))
        };
        let class = execute.side_effect.unwrap_or_else(by_manifest);
        let mut place = None;
        let admitted = self.table().execute(&execute, class, || {
            if self.is_draining() {
                return Err(Refusal::Draining);
            }
            let free = Arc::clone(&self.shared.places).try_acquire_owned();
            place = Some(free.map_err(|_| Refusal::NoCapacity { slots: self.shared.config.slots })?);
            Ok(())
        })?;
        let attempt = match &admitted {
            Admission::Start(attempt) | Admission::Attach(attempt) => attempt,
        };
        let stream = calls::attach(attempt, self.shared.config.heartbeat);
        if let (Admission::Start(attempt), Some(place)) = (admitted, place) {
            let run = Run { shared: Arc::clone(&self.shared), attempt, hosted, execute };
            self.shared.tasks.spawn(run.complete(place));
            // A tool that answers at once has done so when this goes on: its caller is woken once, for the answer, and
            // not before that for the stream alone.
            tokio::task::yield_now().await;
        }
        Ok(stream)
    }

    async fn fence(&self, worker: WorkerId, call: CallRef, epoch: u64) -> Result<FenceAnswer, Failure> {
        self.fence_until(worker, &call, epoch, None, Adopt::Running).await
    }

    async fn cancel(&self, worker: WorkerId, call: CallRef, epoch: u64, reason: &str) -> Result<(), Failure> {
        self.cancel_call(worker, &call, epoch, reason).map(drop)
    }

    async fn ack(&self, worker: WorkerId, recorded: Vec<Recorded>) -> Result<(), Failure> {
        self.meant(worker)?;
        let mut table = self.table();
        for Recorded { call, attempt, epoch } in recorded {
            if let Err(refusal) = table.acknowledge(&call, attempt, epoch) {
                tracing::debug!(%call, failure = %Failure::from(refusal), "a stale ack is left aside");
            }
        }
        Ok(())
    }

    /// Any incarnation answers: the probe asks the tool, not this worker's memory.
    async fn reconcile(
        &self,
        _worker: WorkerId,
        tool: &ToolName,
        key: &Key,
        args: &Value,
    ) -> Result<ProbeAnswer, Failure> {
        let hosted = self.hosted(tool)?;
        probe::probe(hosted, &self.shared.secrets, key, args.clone()).await
    }

    async fn trial(&self, worker: WorkerId, tool: &ToolName) -> Result<(), Failure> {
        self.meant(worker)?;
        probe::trial(self.hosted(tool)?).await
    }

    async fn check(&self, worker: WorkerId) -> Result<(), Failure> {
        self.meant(worker)?;
        // As a call does: through the table, and as a task of its own.
        let executor = self.clone();
        let taken = tokio::spawn(async move { executor.table().pulse() });
        let answered = tokio::time::timeout(CHECK_LIMIT, taken).await;
        match answered {
            Ok(Ok(())) if self.is_draining() => Err(Refusal::Draining.into()),
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::NoCapacity { slots: self.shared.config.slots }.into()),
        }
    }
}

/// How long the executor may take to pass a check through.
const CHECK_LIMIT: Duration = Duration::from_secs(3);

/// How many calls a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Calls that run.
    pub running: usize,
    /// Calls that wait for a slot.
    pub waiting: usize,
}

/// Where a call was when it was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is not known here.
    NotFound,
    /// It had ended before.
    Finished,
    /// It was stopped before its effect.
    BeforeEffect,
    /// It is being stopped after its effect may have begun; its end comes over the stream, or by a fence.
    Stopping,
}

/// What a fence leaves running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// An attempt whose effect may have begun: the new driver attaches to it.
    Running,
    /// Nothing: it is stopped.
    Nothing,
}
