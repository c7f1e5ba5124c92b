//! `ListTasks`: a page of summaries, the latest submission first.

use holdfast_ports::Page;
use holdfast_proto::v1;
use holdfast_types::journal::TaskFilter;
use tonic::Status;

use super::{fields, status, summary};
use crate::Orchestrator;

pub(super) async fn run(
    orchestrator: &Orchestrator,
    mut request: v1::ListTasksRequest,
) -> Result<v1::ListTasksResponse, Status> {
    let token = fields::page_token(std::mem::take(&mut request.page_token));
    let page = Page { size: fields::page_size(request.page_size), token };
    let filter = TaskFilter::try_from(request).map_err(status::invalid)?;
    let page = orchestrator.list(filter, page).await.map_err(status::of)?;
    Ok(v1::ListTasksResponse {
        tasks: page.tasks.into_iter().map(summary::of_row).collect(),
        next_page_token: page.next.unwrap_or_default(),
    })
}
