//! `PutInbox` and `ListInbox`.

use futures::stream::{self, StreamExt, TryStreamExt};
use holdfast_ports::Error as Port;
use holdfast_proto::convert::fields::{required, text};
use holdfast_proto::{Invalid, v1};
use holdfast_types::TaskId;

use crate::{Checkpoint, Error};

/// The most inboxes of a request.
const TASKS: usize = 1_000;

/// So many inboxes are read at once: a store has few readers.
const AT_ONCE: usize = 4;

pub(crate) async fn put(
    service: &Checkpoint,
    wire: v1::PutInboxRequest,
) -> Result<v1::PutInboxResponse, Error> {
    service.deps.inbox.put(required("message", wire.message)?).await?;
    Ok(v1::PutInboxResponse {})
}

pub(crate) async fn list(
    service: &Checkpoint,
    wire: v1::ListInboxRequest,
) -> Result<v1::ListInboxResponse, Error> {
    if wire.task_ids.is_empty() || wire.task_ids.len() > TASKS {
        return Err(Invalid::new("task_ids", wire.task_ids.len(), format!("1 to {TASKS} tasks")).into());
    }
    let task = |(position, id): (usize, &String)| text(&format!("task_ids[{position}]"), id);
    let tasks = wire.task_ids.iter().enumerate().map(task).collect::<Result<Vec<TaskId>, _>>()?;
    let reads = tasks.into_iter().map(|task| async move {
        match service.deps.inbox.read(task).await {
            Err(Port::NotFound { .. }) => Ok(Vec::new()),
            read => read,
        }
    });
    let inboxes: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    Ok(v1::ListInboxResponse { messages: inboxes.into_iter().flatten().map(Into::into).collect() })
}
