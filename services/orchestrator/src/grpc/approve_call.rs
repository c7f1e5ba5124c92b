//! `ApproveCall`: a person's decision on a waiting call, bound to the digest that was shown.

use holdfast_proto::convert::json;
use holdfast_proto::v1;
use holdfast_proto::v1::approve_call_request::Decision as Wire;
use holdfast_rpc::status::Problem;
use holdfast_types::inbox::{Decision, Message};
use tonic::Status;

use super::{fields, status};
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::ApproveCallRequest,
) -> Result<v1::ApproveCallResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    let call = fields::call(&request.call)?;
    if request.digest.is_empty() {
        return Err(Problem::invalid("digest", "expected the digest that was shown").into());
    }
    let (decision, edited_args) = match request.decision {
        Some(Wire::Approve(())) => (Decision::Approved, None),
        Some(Wire::Reject(())) => (Decision::Rejected, None),
        Some(Wire::EditedArgsJson(text)) => {
            let args = json::read_object("edited_args_json", &text).map_err(status::invalid)?;
            (Decision::Approved, Some(args))
        }
        None => {
            return Err(Problem::invalid("decision", "expected approve, reject or edited_args_json").into());
        }
    };
    let message = Message::Approve { call, digest: request.digest, decision, edited_args };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: fields::from(request.by), message };
    Ok(v1::ApproveCallResponse { status: fields::send(orchestrator, task, sent).await? })
}
