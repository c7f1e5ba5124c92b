//! Lists the subtasks of a task, in the plan's order.

use std::collections::HashMap;

use holdfast_engine::state::{CallView, ItemView, StepResult, StepView};
use holdfast_types::plan::{Importance, Step};
use holdfast_types::task::{ResultSource, StepStatus, TaskBody};
use holdfast_types::{
    CallId, Direction, Effect, Failure, Payload, StepId, TaskId, Timestamp, ToolName, Variant, WorkerId,
};
use serde_json::Value;

use super::get::Folded;
use super::redact::Redactor;
use super::{ApiError, Orchestrator};

/// Which subtasks are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubtaskQuery {
    /// Only those of this step.
    pub step: Option<StepId>,
    /// Only those that are there; empty: all.
    pub statuses: Vec<StepStatus>,
    /// At most this many.
    pub size: u32,
    /// Where the page before ended.
    pub token: Option<String>,
}

/// A page of subtasks.
#[derive(Debug, Clone, PartialEq)]
pub struct SubtaskPage {
    /// The subtasks.
    pub subtasks: Vec<Subtask>,
    /// The token of the next page; none: this was the last.
    pub next: Option<String>,
}

/// One call of a tool that a step makes, or a step that calls nothing (yet).
#[derive(Debug, Clone, PartialEq)]
pub struct Subtask {
    /// The call; none: the step as a whole.
    pub call: Option<CallId>,
    /// The step.
    pub step: StepId,
    /// The tool; none: a group.
    pub tool: Option<ToolName>,
    /// Where it is.
    pub status: StepStatus,
    /// What its failure means.
    pub importance: Importance,
    /// The element of the fan-out; what is sensitive is redacted, as in all of a subtask.
    pub item: Option<Value>,
    /// The arguments, once known.
    pub args: Option<Payload>,
    /// The result.
    pub result: Option<Payload>,
    /// Where the result comes from.
    pub source: Option<ResultSource>,
    /// When that was recorded, where it is a recorded one.
    pub recorded_at: Option<Timestamp>,
    /// Whose result that is.
    pub recorded_by: Option<String>,
    /// The failure.
    pub failure: Option<Failure>,
    /// The effect over all attempts; none: never tried.
    pub effect: Option<Effect>,
    /// How many attempts were begun.
    pub attempts: u32,
    /// The worker of the last attempt.
    pub worker: Option<WorkerId>,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where its undo is; none: none was begun.
    pub undo: Option<StepStatus>,
}

impl Orchestrator {
    /// Lists a page of a task's subtasks.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Invalid`] for a foreign page token, [`ApiError::Unreadable`],
    /// [`ApiError::Store`].
    pub async fn subtasks(&self, id: TaskId, query: SubtaskQuery) -> Result<SubtaskPage, ApiError> {
        let first = match &query.token {
            None => 0,
            Some(token) => token.parse::<usize>().map_err(|_| ApiError::Invalid {
                field: "page_token".into(),
                why: "not a token that this service gave".into(),
            })?,
        };
        let folded = self.folded(id).await?;
        let all = subtasks(&folded).into_iter().filter(|subtask| {
            query.step.as_ref().is_none_or(|step| subtask.step == *step)
                && (query.statuses.is_empty() || query.statuses.contains(&subtask.status))
        });
        let size = usize::try_from(query.size).unwrap_or(usize::MAX).max(1);
        let mut subtasks: Vec<_> = all.skip(first).take(size.saturating_add(1)).collect();
        let next = (subtasks.len() > size).then(|| (first + size).to_string());
        subtasks.truncate(size);
        Ok(SubtaskPage { subtasks, next })
    }
}

fn subtasks(folded: &Folded) -> Vec<Subtask> {
    let (task, redactor) = (&folded.task, &folded.redactor);
    let mut calls: HashMap<(StepId, Option<u32>), Vec<CallView>> = HashMap::new();
    let mut undos: HashMap<CallId, StepStatus> = HashMap::new();
    for call in task.calls() {
        if call.call.direction == Direction::Undo {
            undos.insert(call.call.forward_of(), call.status);
        } else {
            calls.entry((call.call.step.clone(), call.call.index)).or_default().push(call);
        }
    }
    let TaskBody::Plan(plan) = &task.spec().body;
    let mut subtasks = Vec::new();
    for step in &plan.steps {
        let Some(view) = task.step_view(&step.id) else { continue };
        let mut of = |index| calls.remove(&(step.id.clone(), index)).unwrap_or_default();
        match &view.result {
            StepResult::Items(items) if !items.is_empty() => {
                for item in items {
                    let made = of(Some(item.index));
                    if made.is_empty() {
                        subtasks.push(not_called(redactor, step, &view, Some(item)));
                    }
                    let called = |call| called(redactor, step, call, item.source, Some(&item.item), &undos);
                    subtasks.extend(made.into_iter().map(called));
                }
            }
            StepResult::Single(_) | StepResult::Items(_) | StepResult::Members(_) => {
                let made = of(None);
                if made.is_empty() {
                    subtasks.push(not_called(redactor, step, &view, None));
                }
                let called = |call| called(redactor, step, call, view.source, None, &undos);
                subtasks.extend(made.into_iter().map(called));
            }
        }
    }
    subtasks
}

fn called(
    redactor: &Redactor,
    step: &Step,
    call: CallView,
    source: Option<ResultSource>,
    item: Option<&Value>,
    undos: &HashMap<CallId, StepStatus>,
) -> Subtask {
    let done = call.status.counts();
    let effect = match (&call.failure, call.attempts) {
        _ if call.status == StepStatus::Succeeded => Some(Effect::Executed),
        (_, 0) => None,
        (Some(failure), _) => Some(failure.effect),
        (None, _) => None,
    };
    let source = match call.call.variant {
        Variant::Fallback(_) => source.or(Some(ResultSource::Fallback)),
        Variant::Primary => source,
    };
    Subtask {
        undo: undos.get(&call.call).copied(),
        step: step.id.clone(),
        args: call.args.map(|args| redactor.args(&call.call, &call.tool, args)),
        tool: Some(call.tool),
        status: call.status,
        importance: step.importance,
        item: item.map(|item| redactor.item(&step.id, item.clone())),
        result: done.then(|| redactor.result(&step.id, call.result)),
        source: source.filter(|_| done),
        recorded_at: call.recorded_at.filter(|_| done),
        recorded_by: call.recorded_by.filter(|_| done),
        failure: call.failure.filter(|_| !done).map(|failure| redactor.failure(failure)),
        effect,
        attempts: call.attempts,
        worker: call.worker,
        started_at: call.started_at,
        ended_at: call.ended_at,
        call: Some(call.call),
    }
}

/// A step, or an item of one, that has called nothing: a group, or one that has not begun or was skipped.
fn not_called(redactor: &Redactor, step: &Step, view: &StepView, item: Option<&ItemView>) -> Subtask {
    let failure = item.map_or_else(|| view.failure.clone(), |item| item.failure.clone());
    Subtask {
        call: item.map(|item| CallId::forward(step.id.clone(), Some(item.index))),
        step: step.id.clone(),
        tool: step.call().map(|call| call.tool.clone()),
        status: item.map_or(view.status, |item| item.status),
        importance: step.importance,
        item: item.map(|item| redactor.item(&step.id, item.item.clone())),
        args: None,
        result: None,
        source: None,
        recorded_at: None,
        recorded_by: None,
        failure: failure.map(|failure| redactor.failure(failure)),
        effect: None,
        attempts: 0,
        worker: None,
        started_at: view.entered_at,
        ended_at: view.ended_at,
        undo: None,
    }
}
