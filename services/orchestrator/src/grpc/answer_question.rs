//! `AnswerQuestion`: an answer to a question of the task.

use holdfast_proto::convert::fields::required;
use holdfast_proto::v1;
use holdfast_rpc::status::Problem;
use holdfast_types::Payload;
use holdfast_types::inbox::Message;
use tonic::Status;

use super::{fields, status};
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::AnswerQuestionRequest,
) -> Result<v1::AnswerQuestionResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    let call = fields::call(&request.call)?;
    let answer = match required("answer", request.answer).map_err(status::invalid)? {
        Payload::Json(answer) => answer,
        Payload::Blob(_) => return Err(Problem::invalid("answer.blob", "expected JSON").into()),
    };
    let message = Message::Answer { call, answer };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: fields::from(request.by), message };
    Ok(v1::AnswerQuestionResponse { status: fields::send(orchestrator, task, sent).await? })
}
