//! `ResumeTask`: a paused or quarantined task goes on.

use holdfast_proto::v1;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::{fields, status};
use crate::{ApiError, Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::ResumeTaskRequest,
) -> Result<v1::ResumeTaskResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    if !request.from_step.is_empty() {
        let what =
            "restarting from a step is missing: a task goes on only where it stands; leave from_step out";
        return Err(status::of(ApiError::Unimplemented { what }));
    }
    let note = (!request.note.is_empty()).then_some(request.note);
    let message = Message::Resume { note };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: None, message };
    Ok(v1::ResumeTaskResponse { status: fields::send(orchestrator, task, sent).await? })
}
