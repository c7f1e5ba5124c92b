//! `ListSubtasks`: a page of subtasks, in the plan's order.

use holdfast_proto::convert::{known, time};
use holdfast_proto::v1;
use holdfast_types::Payload;
use tonic::Status;

use super::{fields, status};
use crate::{Orchestrator, Subtask, SubtaskQuery};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::ListSubtasksRequest,
) -> Result<v1::ListSubtasksResponse, Status> {
    let id = fields::task_id(&request.task_id)?;
    let mut statuses = Vec::with_capacity(request.statuses.len());
    for (position, number) in request.statuses.iter().enumerate() {
        statuses.push(known(&format!("statuses[{position}]"), *number).map_err(status::invalid)?);
    }
    let query = SubtaskQuery {
        step: fields::optional("step", &request.step)?,
        statuses,
        size: fields::page_size(request.page_size),
        token: fields::page_token(request.page_token),
    };
    let page = orchestrator.subtasks(id, query).await.map_err(status::of)?;
    Ok(v1::ListSubtasksResponse {
        subtasks: page.subtasks.into_iter().map(wire).collect(),
        next_page_token: page.next.unwrap_or_default(),
    })
}

fn wire(subtask: Subtask) -> v1::Subtask {
    let call = subtask.call.as_ref();
    v1::Subtask {
        call: call.map_or_else(|| subtask.step.to_string(), ToString::to_string),
        index: call.and_then(|call| call.index),
        step: subtask.step.to_string(),
        tool: subtask.tool.map(|tool| tool.to_string()).unwrap_or_default(),
        status: v1::StepStatus::from(subtask.status).into(),
        importance: v1::Importance::from(subtask.importance).into(),
        item: subtask.item.map(|item| Payload::Json(item).into()),
        args: subtask.args.map(Into::into),
        result: subtask.result.map(Into::into),
        source: subtask.source.map_or(0, |source| v1::ResultSource::from(source).into()),
        recorded_at: subtask.recorded_at.map(time::timestamp),
        recorded_by: subtask.recorded_by.unwrap_or_default(),
        failure: subtask.failure.map(Into::into),
        effect: subtask.effect.map_or(0, |effect| v1::Effect::from(effect).into()),
        attempts: subtask.attempts,
        worker_id: subtask.worker.map(|worker| worker.to_string()).unwrap_or_default(),
        started_at: subtask.started_at.map(time::timestamp),
        ended_at: subtask.ended_at.map(time::timestamp),
        next_attempt_at: None,
        undo_status: subtask.undo.map_or(0, |undo| v1::StepStatus::from(undo).into()),
    }
}
