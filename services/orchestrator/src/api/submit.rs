//! Submits a task: checked whole before anything is stored, and stored before it is answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::{Task, encode};
use holdfast_plan::{Document, Inputs, Tools, Validated, validate};
use holdfast_resilience::keys;
use holdfast_types::journal::{Created, EventRow, Fork, NewEvent, NewTask};
use holdfast_types::task::{DEFAULT_DEADLINE, TaskBody, TaskRow, TaskSpec};
use holdfast_types::{Namespace, Plan, Priority, TaskId, TaskStatus, ToolManifest};
use serde_json::{Map, Value, json};

use super::fork::Inheritance;
use super::{ApiError, Orchestrator};
use crate::instance::Reservation;
use crate::timeline::{self, export};

/// What is submitted.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The namespace.
    pub namespace: Namespace,
    /// The id that the caller chose; none: one is made.
    pub task_id: Option<TaskId>,
    /// The plan's document.
    pub document: Arc<Document>,
    /// The inputs' values.
    pub inputs: Map<String, Value>,
    /// Labels, over those of the plan.
    pub labels: BTreeMap<String, String>,
    /// How soon its work goes, in its namespace.
    pub priority: Priority,
    /// The longest time from now, where that is sooner than the plan's.
    pub deadline: Option<Duration>,
    /// The W3C `traceparent` of the caller.
    pub traceparent: Option<String>,
}

/// A task that was made, or was there.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its row.
    pub row: TaskRow,
    /// The trace in which its spans are: 32 hexadecimal digits.
    pub trace_id: String,
    /// Whether this submission made it.
    pub created: bool,
}

impl Orchestrator {
    /// Validates and stores a task, and drives it here where there is room.
    ///
    /// The same id and body again is the same task. If it is dropped, or fails with a store's error, the task may or
    /// may not exist: submit it again under the same id.
    ///
    /// # Errors
    /// [`ApiError::Plan`], [`ApiError::Conflict`], [`ApiError::QueueFull`], [`ApiError::Store`].
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, ApiError> {
        if let Some(accepted) = self.submitted_before(&submission).await? {
            return Ok(accepted);
        }
        let known = self.shared.catalog.of(&self.shared.deps.directory.view());
        let validated =
            validate(&submission.document, Tools::Known(&known), Inputs::Given(&submission.inputs))
                .map_err(ApiError::Plan)?;
        let digest = digest(&submission, &validated)?;
        let id = submission.task_id.unwrap_or_else(|| self.shared.deps.ids.task());
        let manifests = pinned(&validated.plan, &known);
        let spec = self.spec(submission, validated, manifests);
        self.create(id, digest, spec, None).await
    }

    /// Finds the task of an id that was submitted before: whatever tools live now, it is the same task.
    async fn submitted_before(&self, submission: &Submission) -> Result<Option<Accepted>, ApiError> {
        let Some(id) = submission.task_id else { return Ok(None) };
        let row = match self.shared.deps.tasks.get(id).await {
            Ok(row) => row,
            Err(holdfast_ports::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let inputs = Inputs::Given(&submission.inputs);
        let validated = validate(&submission.document, Tools::Unknown, inputs).map_err(ApiError::Plan)?;
        if row.digest != digest(submission, &validated)? {
            return Err(ApiError::Conflict { task: id });
        }
        let trace_id = self.trace_id(id).await?;
        Ok(Some(Accepted { row, trace_id, created: false }))
    }

    fn spec(&self, submission: Submission, validated: Validated, manifests: Vec<ToolManifest>) -> TaskSpec {
        let now = self.shared.deps.clock.now();
        let Validated { plan, inputs } = validated;
        let longest = plan.deadline.unwrap_or(DEFAULT_DEADLINE);
        let longest = submission.deadline.map_or(longest, |deadline| deadline.min(longest));
        let mut labels = plan.labels.clone();
        labels.extend(submission.labels);
        TaskSpec {
            namespace: submission.namespace,
            body: TaskBody::Plan(plan),
            inputs: inputs.into_iter().collect(),
            priority: submission.priority,
            labels,
            manifests,
            submitted_at: now,
            deadline_at: now.after(longest),
            traceparent: submission.traceparent,
            forked_from: None,
        }
    }

    /// Stores a task, and drives it here where there is room. A fork's journal goes on with what it takes over.
    pub(super) async fn create(
        &self,
        id: TaskId,
        digest: String,
        spec: TaskSpec,
        inherits: Option<Inheritance>,
    ) -> Result<Accepted, ApiError> {
        let tracer = &self.shared.deps.tracer;
        let trace = export::of(tracer, id, spec.traceparent.as_deref());
        let root = timeline::submitted(&spec);
        let trace_id = export::trace_id(id, spec.traceparent.as_deref());
        let (row, priority) = (queued(id, &digest, &spec), spec.priority);
        let inherited = inherits.as_ref().map_or(&[][..], |inherits| &inherits.events);
        let submitted = Task::submitted(spec);
        let events: Vec<NewEvent> = std::iter::once(&submitted)
            .chain(inherited)
            .map(|event| encode(event, row.submitted_at))
            .collect::<Result<_, _>>()
            .map_err(|error| ApiError::Invalid { field: "plan".into(), why: error.to_string() })?;
        let reservation = self.instance.reserve();
        let task = NewTask {
            id,
            namespace: row.namespace.clone(),
            name: row.name.clone(),
            labels: row.labels.clone(),
            digest,
            events: events.clone(),
            submitted_at: row.submitted_at,
            claimant: reservation.as_ref().map(Reservation::claimant),
            queue_limit: self.shared.config.queue_limit,
            priority,
        };
        let created = match inherits {
            None => self.shared.deps.journal.create(task).await?,
            Some(Inheritance { source, relies_on, .. }) => {
                self.shared.deps.journal.fork(Fork { task, source, relies_on }).await?
            }
        };
        match created {
            Created::New { epoch, last_seq } => {
                let status = if reservation.is_some() { TaskStatus::Running } else { TaskStatus::Queued };
                // Zero-length, so that it stands there whatever dies.
                export::export(tracer, &trace, [root]);
                if let Some(reservation) = reservation {
                    reservation.start(id, epoch, rows(events, epoch));
                } else {
                    self.instance.hint(id);
                }
                Ok(Accepted { row: TaskRow { status, epoch, last_seq, ..row }, trace_id, created: true })
            }
            Created::Same(row) => {
                let trace_id = self.trace_id(id).await?;
                Ok(Accepted { row: *row, trace_id, created: false })
            }
            Created::Conflict => Err(ApiError::Conflict { task: id }),
            Created::QueueFull { limit } => Err(ApiError::QueueFull { limit }),
        }
    }

    pub(super) async fn trace_id(&self, task: TaskId) -> Result<String, ApiError> {
        let spec = self.spec_of(task).await?;
        Ok(export::trace_id(task, spec.traceparent.as_deref()))
    }
}

/// SHA-256 over all that makes a submission what it is.
fn digest(submission: &Submission, validated: &Validated) -> Result<String, ApiError> {
    let mut body = json!({
        "namespace": submission.namespace,
        "plan": validated.plan,
        "inputs": validated.inputs,
        "labels": submission.labels,
        "deadline_ms": submission.deadline.map(|deadline| deadline.as_millis().to_string()),
    });
    // As it was before there were priorities.
    if !submission.priority.is_default() {
        body["priority"] = submission.priority.level().into();
    }
    keys::fingerprint(&body)
        .map_err(|error| ApiError::Invalid { field: "plan".into(), why: error.to_string() })
}

/// The manifests of the tools that a plan may call: those that it names, and the undos that these name.
fn pinned(plan: &Plan, known: &[ToolManifest]) -> Vec<ToolManifest> {
    let named = plan.tools();
    let is_named = |manifest: &&ToolManifest| named.contains(&manifest.name);
    let undos: Vec<_> =
        known.iter().filter(is_named).filter_map(|m| m.undo.as_ref().map(|undo| &undo.tool)).collect();
    known.iter().filter(|m| named.contains(&m.name) || undos.contains(&&m.name)).cloned().collect()
}

fn queued(id: TaskId, digest: &str, spec: &TaskSpec) -> TaskRow {
    TaskRow {
        id,
        namespace: spec.namespace.clone(),
        name: spec.body.name().to_owned(),
        labels: spec.labels.clone(),
        digest: digest.to_owned(),
        status: TaskStatus::Queued,
        outcome: None,
        waits_for: None,
        epoch: 0,
        owner: None,
        last_seq: 0,
        wake_at: None,
        submitted_at: spec.submitted_at,
        updated_at: spec.submitted_at,
        finished_at: None,
        barren_lives: 0,
    }
}

fn rows(events: Vec<NewEvent>, epoch: u64) -> Vec<EventRow> {
    let row = |(event, seq)| {
        let NewEvent { at, kind, v, body, blobs: _ } = event;
        EventRow { seq, epoch, at, kind, v, body }
    };
    events.into_iter().zip(1..).map(row).collect()
}
