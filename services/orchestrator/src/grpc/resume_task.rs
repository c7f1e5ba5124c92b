//! `ResumeTask`: a paused or quarantined task goes on.

use holdfast_proto::v1;
use holdfast_types::StepId;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::{fields, status};
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::ResumeTaskRequest,
) -> Result<v1::ResumeTaskResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    if let Some(step) = fields::optional::<StepId>("from_step", &request.from_step)? {
        return Err(status::of(orchestrator.refused_restart(task, &step).await));
    }
    let note = (!request.note.is_empty()).then_some(request.note);
    let message = Message::Resume { note };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: None, message };
    Ok(v1::ResumeTaskResponse { status: fields::send(orchestrator, task, sent).await? })
}
