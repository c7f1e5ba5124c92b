//! `PauseTask`: nothing new starts until it is resumed.

use holdfast_proto::v1;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::fields;
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::PauseTaskRequest,
) -> Result<v1::PauseTaskResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: None, message: Message::Pause };
    Ok(v1::PauseTaskResponse { status: fields::send(orchestrator, task, sent).await? })
}
