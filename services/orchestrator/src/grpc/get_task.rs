//! `GetTask`: a summary.

use holdfast_proto::v1;
use tonic::Status;

use super::{fields, status, summary};
use crate::Orchestrator;

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::GetTaskRequest,
) -> Result<v1::GetTaskResponse, Status> {
    let view = orchestrator.get(fields::task_id(&request.task_id)?).await.map_err(status::of)?;
    Ok(v1::GetTaskResponse { task: Some(summary::of_view(view)) })
}
