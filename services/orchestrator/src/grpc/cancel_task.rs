//! `CancelTask`: a message to the task's inbox; a finished task is left as it is.

use holdfast_proto::convert::known_or_none;
use holdfast_proto::v1;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::{fields, status};
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::CancelTaskRequest,
) -> Result<v1::CancelTaskResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    let on_cancel = known_or_none("on_cancel", request.on_cancel).map_err(status::invalid)?;
    let message = Message::Cancel { on_cancel, reason: request.reason };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: None, message };
    Ok(v1::CancelTaskResponse { status: fields::send(orchestrator, task, sent).await? })
}
