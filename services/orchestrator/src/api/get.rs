//! Reads one task.

use std::collections::HashMap;

use holdfast_engine::event::Event;
use holdfast_engine::state::Summary;
use holdfast_engine::{Task, decode};
use holdfast_types::journal::EventRow;
use holdfast_types::task::{ForkOrigin, StepStatus, TaskRow, TaskSpec};
use holdfast_types::{CallId, Key, TaskId, Timestamp};

use super::redact::Redactor;
use super::{ApiError, Asked, Orchestrator};
use crate::driver::all_events;
use crate::timeline::export;

/// How many events one read of the journal takes.
pub(super) const EVENTS_A_READ: u32 = 256;

/// A task at a glance.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// Its row.
    pub row: TaskRow,
    /// The trace in which its spans are: 32 hexadecimal digits.
    pub trace_id: String,
    /// When its time is up.
    pub deadline_at: Timestamp,
    /// Where it begins, if it is a fork.
    pub forked_from: Option<ForkOrigin>,
    /// What its journal says of it; what is sensitive is redacted.
    pub summary: Summary,
    /// How many steps are where.
    pub steps: StepCounts,
    /// What people are asked.
    pub asked: Vec<Asked>,
}

/// How many steps of a task are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepCounts {
    /// All.
    pub total: u32,
    /// Not started.
    pub pending: u32,
    /// Started and not ended.
    pub running: u32,
    /// Done.
    pub succeeded: u32,
    /// Done in part, or by a stand-in.
    pub degraded: u32,
    /// Failed.
    pub failed: u32,
    /// Not run.
    pub skipped: u32,
    /// Called off.
    pub cancelled: u32,
    /// Of unknown outcome.
    pub unknown: u32,
}

/// A task with what only its events tell.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) task: Task,
    /// When a question was asked, by call.
    pub(super) asked_at: HashMap<CallId, Timestamp>,
    /// The keys of calls.
    pub(super) keys: HashMap<CallId, Key>,
    /// Knows all that is sensitive in it.
    pub(super) redactor: Redactor,
}

impl Orchestrator {
    /// Reads a task.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unreadable`], [`ApiError::Store`].
    pub async fn get(&self, id: TaskId) -> Result<TaskView, ApiError> {
        let row = self.row(id).await?;
        let folded = self.folded(id).await?;
        let spec = folded.task.spec();
        let mut steps = StepCounts::default();
        for step in folded.task.steps() {
            steps.count(step.status);
        }
        Ok(TaskView {
            row,
            trace_id: export::trace_id(id, spec.traceparent.as_deref()),
            deadline_at: spec.deadline_at,
            forked_from: spec.forked_from.clone(),
            summary: folded.redactor.summary(folded.task.summary()),
            steps,
            asked: super::question::asked(&folded),
        })
    }

    pub(super) async fn row(&self, id: TaskId) -> Result<TaskRow, ApiError> {
        self.shared.deps.tasks.get(id).await.map_err(|error| found(error, id))
    }

    pub(super) async fn folded(&self, id: TaskId) -> Result<Folded, ApiError> {
        let events = all_events(&*self.shared.deps.journal, id).await.map_err(|error| found(error, id))?;
        let mut folded = fold(id, &events)?;
        if folded.redactor.is_needed() {
            for row in &events {
                folded.redactor.learn(row, &*self.shared.deps.blobs).await?;
            }
        }
        Ok(folded)
    }

    /// What hides what is sensitive in a task: it knows all that stands in the journal by now.
    pub(super) async fn redactor(&self, id: TaskId) -> Result<Redactor, ApiError> {
        let mut redactor = Redactor::of(&self.spec_of(id).await?);
        let mut after = 0;
        while redactor.is_needed() {
            let rows = self.shared.deps.journal.events(id, after, EVENTS_A_READ).await;
            let rows = rows.map_err(|error| found(error, id))?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                redactor.learn(row, &*self.shared.deps.blobs).await?;
            }
        }
        Ok(redactor)
    }

    /// What a task is to do: its first event.
    pub(super) async fn spec_of(&self, id: TaskId) -> Result<TaskSpec, ApiError> {
        let first = self.shared.deps.journal.events(id, 0, 1).await.map_err(|error| found(error, id))?;
        let event = first.first().map(decode).transpose();
        match event.map_err(|source| ApiError::Unreadable { task: id, source: source.into() })? {
            Some(Event::Submitted(submitted)) => Ok(submitted.spec),
            _ => Err(ApiError::NotFound { what: id.to_string() }),
        }
    }
}

pub(super) fn found(error: holdfast_ports::Error, id: TaskId) -> ApiError {
    match error {
        holdfast_ports::Error::NotFound { .. } => ApiError::NotFound { what: id.to_string() },
        other => ApiError::Store(other),
    }
}

fn fold(id: TaskId, events: &[EventRow]) -> Result<Folded, ApiError> {
    let unreadable = |source| ApiError::Unreadable { task: id, source };
    let task = Task::fold(id, events).map_err(unreadable)?;
    let redactor = Redactor::of(task.spec());
    let mut folded = Folded { task, asked_at: HashMap::new(), keys: HashMap::new(), redactor };
    for row in events {
        if !matches!(row.kind.as_str(), "question_asked" | "attempt_started") {
            continue;
        }
        match decode(row).map_err(|source| unreadable(source.into()))? {
            Event::QuestionAsked(asked) => drop(folded.asked_at.insert(asked.call, row.at)),
            Event::AttemptStarted(started) => drop(folded.keys.insert(started.call, started.key)),
            _ => {}
        }
    }
    Ok(folded)
}

impl StepCounts {
    fn count(&mut self, status: StepStatus) {
        self.total += 1;
        let place = match status {
            StepStatus::Pending => &mut self.pending,
            StepStatus::Running => &mut self.running,
            StepStatus::Succeeded => &mut self.succeeded,
            StepStatus::Degraded => &mut self.degraded,
            StepStatus::Failed => &mut self.failed,
            StepStatus::Skipped => &mut self.skipped,
            StepStatus::Cancelled => &mut self.cancelled,
            StepStatus::Unknown => &mut self.unknown,
        };
        *place += 1;
    }
}
