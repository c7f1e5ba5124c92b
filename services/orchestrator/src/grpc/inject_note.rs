//! `InjectNote`: a note for the task's model. Plans have none.

use holdfast_proto::v1;
use holdfast_rpc::status::Problem;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::fields;
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::InjectNoteRequest,
) -> Result<v1::InjectNoteResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    if request.note.is_empty() {
        return Err(Problem::invalid("note", "expected a text").into());
    }
    let message = Message::Inject { note: request.note };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: fields::from(request.by), message };
    Ok(v1::InjectNoteResponse { status: fields::send(orchestrator, task, sent).await? })
}
