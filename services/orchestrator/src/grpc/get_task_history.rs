//! `GetTaskHistory`: a page of a journal.

use holdfast_proto::v1;
use tonic::Status;

use super::{fields, status};
use crate::{HistoryQuery, Orchestrator};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::GetTaskHistoryRequest,
) -> Result<v1::GetTaskHistoryResponse, Status> {
    let id = fields::task_id(&request.task_id)?;
    let query = HistoryQuery {
        after_seq: request.after_seq,
        size: fields::page_size(request.page_size),
        kinds: request.kinds,
    };
    let page = orchestrator.history(id, query).await.map_err(status::of)?;
    Ok(v1::GetTaskHistoryResponse {
        events: page.events.into_iter().map(Into::into).collect(),
        next_after_seq: page.next_after.unwrap_or(0),
    })
}
