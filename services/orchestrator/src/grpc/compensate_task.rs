//! `CompensateTask`: undoes what a finished task did (PROTOCOL 14).

use holdfast_proto::v1;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::fields;
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::CompensateTaskRequest,
) -> Result<v1::CompensateTaskResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    let from = fields::optional("from_step", &request.from_step)?;
    let message = Message::Compensate { from, reason: request.reason };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: None, message };
    Ok(v1::CompensateTaskResponse { status: fields::send(orchestrator, task, sent).await? })
}
