//! `ResolveOutcome`: a person's word on an outcome that nobody knows.

use holdfast_proto::convert::fields::required;
use holdfast_proto::v1;
use holdfast_proto::v1::resolve_outcome_request::Resolution as Wire;
use holdfast_rpc::status::Problem;
use holdfast_types::inbox::{Message, Resolution};
use tonic::Status;

use super::{fields, status};
use crate::{Orchestrator, Sent};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::ResolveOutcomeRequest,
) -> Result<v1::ResolveOutcomeResponse, Status> {
    let task = fields::task_id(&request.task_id)?;
    let call = fields::call(&request.call)?;
    if request.reason.is_empty() {
        return Err(Problem::invalid("reason", "expected why one knows, for the record").into());
    }
    let resolution = match request.resolution {
        Some(Wire::Happened(result)) => {
            Resolution::Happened { result: required("happened", Some(result)).map_err(status::invalid)? }
        }
        Some(Wire::DidNotHappen(())) => Resolution::DidNotHappen,
        Some(Wire::RunAgain(())) => Resolution::RunAgain,
        None => {
            return Err(
                Problem::invalid("resolution", "expected happened, did_not_happen or run_again").into()
            );
        }
    };
    let message = Message::ResolveOutcome { call, resolution, reason: request.reason };
    let sent = Sent { id: fields::message_id(&request.message_id)?, from: fields::from(request.by), message };
    Ok(v1::ResolveOutcomeResponse { status: fields::send(orchestrator, task, sent).await? })
}
