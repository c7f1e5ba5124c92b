//! Rows of tasks: `GetTaskRow` and `ListTasks`.

use holdfast_ports::Page;
use holdfast_proto::convert::fields::text;
use holdfast_proto::v1;
use holdfast_types::journal::TaskFilter;

use crate::answer::page_size;
use crate::{Checkpoint, Error};

pub(crate) async fn get(
    service: &Checkpoint,
    wire: v1::GetTaskRowRequest,
) -> Result<v1::GetTaskRowResponse, Error> {
    let task = text("task_id", &wire.task_id)?;
    Ok(v1::GetTaskRowResponse { row: Some(service.deps.tasks.get(task).await?.into()) })
}

pub(crate) async fn list(
    service: &Checkpoint,
    mut wire: v1::CheckpointServiceListTasksRequest,
) -> Result<v1::CheckpointServiceListTasksResponse, Error> {
    let token = std::mem::take(&mut wire.page_token);
    let page =
        Page { size: page_size("page_size", wire.page_size)?, token: (!token.is_empty()).then_some(token) };
    let listed = service.deps.tasks.list(TaskFilter::try_from(wire)?, page).await?;
    Ok(v1::CheckpointServiceListTasksResponse {
        tasks: listed.tasks.into_iter().map(Into::into).collect(),
        next_page_token: listed.next.unwrap_or_default(),
    })
}
