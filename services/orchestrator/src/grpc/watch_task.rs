//! `WatchTask`: events as they become durable, and the outcome as the last message.

use futures::StreamExt;
use futures::stream::BoxStream;
use holdfast_proto::v1;
use holdfast_proto::v1::watch_task_response::Message;
use tonic::Status;

use super::{fields, result, status};
use crate::{Orchestrator, WatchItem};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: v1::WatchTaskRequest,
) -> Result<BoxStream<'static, Result<v1::WatchTaskResponse, Status>>, Status> {
    let id = fields::task_id(&request.task_id)?;
    let items = orchestrator.watch(id, request.after_seq).await.map_err(status::of)?;
    Ok(items.map(|item| item.map(wire).map_err(status::of)).boxed())
}

fn wire(item: WatchItem) -> v1::WatchTaskResponse {
    let message = match item {
        WatchItem::Event(row) => Message::Event(row.into()),
        WatchItem::Outcome { finished, at } => Message::Outcome(result::of_event(*finished, at)),
    };
    v1::WatchTaskResponse { message: Some(message) }
}
