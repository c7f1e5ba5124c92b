//! Forks a task: a new one that begins with what another has done, and goes on with other inputs (PROTOCOL 7, 20).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_engine::Event;
use holdfast_engine::fork::{ForkPoint, Inherited, NoFork, inherit};
use holdfast_plan::{Inputs, Tools, validate_plan};
use holdfast_resilience::keys;
use holdfast_types::journal::Reliance;
use holdfast_types::task::{ForkOrigin, TaskBody, TaskSpec};
use holdfast_types::{StepId, TaskId};
use serde_json::{Map, Value, json};

use super::fork_inputs::readers;
use super::get::found;
use super::{Accepted, ApiError, Orchestrator};
use crate::driver::all_events;

/// What labels begin with that the platform sets.
const PLATFORM: &str = "holdfast.";

/// A task that is to begin with a part of another.
#[derive(Debug, Clone)]
pub struct ForkRequest {
    /// The source.
    pub source: TaskId,
    /// The last event of the source that it knows of; none: the source's last.
    pub at_seq: Option<u64>,
    /// The first step that it runs itself; none: what had not ended, or had failed.
    pub from_step: Option<StepId>,
    /// Inputs in place of the source's.
    pub inputs: Map<String, Value>,
    /// The new task's id; none: one is made.
    pub new_task_id: Option<TaskId>,
    /// Labels, over those of the source.
    pub labels: BTreeMap<String, String>,
    /// The W3C `traceparent` of the caller.
    pub traceparent: Option<String>,
}

/// What a fork begins with, as the store needs it.
#[derive(Debug)]
pub(super) struct Inheritance {
    pub(super) source: TaskId,
    pub(super) events: Vec<Event>,
    pub(super) relies_on: Vec<Reliance>,
}

impl Orchestrator {
    /// Makes a task of the beginning of another. It inherits results, not undos; whoever undoes one of them later is
    /// asked first.
    ///
    /// The same id and request again is the same task. If it is dropped, or fails with a store's error, the task may or
    /// may not exist: ask again under the same id.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] (the source), [`ApiError::Refused`] (open calls at that place; what would be inherited was
    /// undone), [`ApiError::OutOfRange`], [`ApiError::Invalid`] (a step, an input), [`ApiError::Plan`] (inputs that the
    /// plan does not take), [`ApiError::Conflict`], [`ApiError::QueueFull`], [`ApiError::Unreadable`],
    /// [`ApiError::Store`].
    pub async fn fork(&self, request: ForkRequest) -> Result<Accepted, ApiError> {
        let digest = digest(&request)?;
        if let Some(accepted) = self.forked_before(&request, &digest).await? {
            return Ok(accepted);
        }
        let row = self.row(request.source).await?;
        let rows = all_events(&*self.shared.deps.journal, request.source)
            .await
            .map_err(|error| found(error, request.source))?;
        let point = ForkPoint { at_seq: request.at_seq, from_step: request.from_step.clone() };
        let inherited =
            inherit(request.source, &rows, &point).map_err(|why| refused(why, row.status, &request))?;
        let spec = self.fork_spec(&request, &inherited)?;
        let id = request.new_task_id.unwrap_or_else(|| self.shared.deps.ids.task());
        let Inherited { events, relies_on, .. } = inherited;
        let inheritance = Inheritance { source: request.source, events, relies_on };
        match self.create(id, digest, spec, Some(inheritance)).await {
            // Undone since it was read.
            Err(ApiError::Store(holdfast_ports::Error::Stale { why })) => {
                Err(ApiError::Refused { status: row.status, why })
            }
            Err(ApiError::Store(error)) => Err(found_source(error, request.source)),
            done => done,
        }
    }

    /// Finds the task of an id that was forked before: whatever became of the source, it is the same task.
    async fn forked_before(&self, request: &ForkRequest, digest: &str) -> Result<Option<Accepted>, ApiError> {
        let Some(id) = request.new_task_id else { return Ok(None) };
        match self.shared.deps.tasks.get(id).await {
            Ok(row) if row.digest == digest => {
                let trace_id = self.trace_id(id).await?;
                Ok(Some(Accepted { row, trace_id, created: false }))
            }
            Ok(_) => Err(ApiError::Conflict { task: id }),
            Err(holdfast_ports::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn fork_spec(&self, request: &ForkRequest, inherited: &Inherited) -> Result<TaskSpec, ApiError> {
        let source = &inherited.spec;
        let TaskBody::Plan(plan) = &source.body;
        let mut inputs: Map<String, Value> = source.inputs.clone().into_iter().collect();
        inputs.extend(request.inputs.clone());
        // What the plan names was checked when the source was submitted, and goes on as it is.
        let validated = validate_plan(plan.clone(), Tools::Unknown, Inputs::Given(&inputs));
        let inputs: BTreeMap<String, Value> = validated.map_err(ApiError::Plan)?.inputs.into_iter().collect();
        let changed: BTreeSet<&str> = inputs
            .iter()
            .filter(|(name, value)| source.inputs.get(*name) != Some(*value))
            .map(|(name, _)| name.as_str())
            .collect();
        if let Some((name, step)) = readers(plan, &inherited.steps, &changed) {
            let why = format!(
                "step '{step}' has read it, and would be inherited: begin with that step or an earlier one (from_step), \
                 or leave the input as it was"
            );
            return Err(ApiError::Invalid { field: format!("inputs[{name}]"), why });
        }
        let now = self.shared.deps.clock.now();
        // Labels of the platform say whose run a task is: a fork is nobody's.
        let own = source.labels.iter().filter(|(name, _)| !name.starts_with(PLATFORM));
        let mut labels: BTreeMap<_, _> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        labels.extend(request.labels.clone());
        Ok(TaskSpec {
            inputs,
            labels,
            submitted_at: now,
            deadline_at: now.after(source.deadline_at.since(source.submitted_at)),
            traceparent: request.traceparent.clone(),
            forked_from: Some(ForkOrigin {
                task: request.source,
                at_seq: inherited.at_seq,
                from_step: request.from_step.clone(),
            }),
            ..TaskSpec::clone(source)
        })
    }
}

/// SHA-256 over all that makes a fork what it is.
fn digest(request: &ForkRequest) -> Result<String, ApiError> {
    let body = json!({
        "fork": request.source,
        "at_seq": request.at_seq.map(|seq| seq.to_string()),
        "from_step": request.from_step,
        "inputs": request.inputs,
        "labels": request.labels,
    });
    keys::fingerprint(&body)
        .map_err(|error| ApiError::Invalid { field: "inputs".into(), why: error.to_string() })
}

fn refused(why: NoFork, status: holdfast_types::TaskStatus, request: &ForkRequest) -> ApiError {
    let told = why.to_string();
    match why {
        NoFork::Source(source) => ApiError::Unreadable { task: request.source, source },
        NoFork::NoStep { .. } => ApiError::Invalid { field: "from_step".into(), why: told },
        NoFork::BeyondEnd { at_seq, last_seq } => {
            ApiError::OutOfRange { field: "at_seq", seq: at_seq, last_seq }
        }
        NoFork::Open { .. } | NoFork::Undone { .. } => ApiError::Refused { status, why: told },
    }
}

/// Only the source itself is missed by its name: a blob that is gone is the store's to tell.
fn found_source(error: holdfast_ports::Error, source: TaskId) -> ApiError {
    match error {
        holdfast_ports::Error::NotFound { what } if what == source.to_string() => ApiError::NotFound { what },
        other => ApiError::Store(other),
    }
}
