//! `CreateFork`: a task that begins with a part of another, in parts.

use holdfast_proto::convert::fields::{each, required, text};
use holdfast_proto::v1::create_fork_request::{Batch, Head, Part};
use holdfast_proto::{Invalid, v1};
use holdfast_types::TaskId;
use holdfast_types::journal::{Fork, NewEvent, NewTask, Reliance};
use holdfast_types::payload::BLOB_LIMIT;
use prost::Message;
use tonic::Streaming;

use crate::{Checkpoint, Error};

/// One permit of the memory for what comes in parts.
const MIB: u64 = 1024 * 1024;

pub(crate) async fn create(
    service: &Checkpoint,
    mut parts: Streaming<v1::CreateForkRequest>,
) -> Result<v1::CreateForkResponse, Error> {
    let Some(Part::Head(Head { task, source_task_id, size })) = next(&mut parts).await? else {
        return Err(Invalid::missing("head", "the head as the first message").into());
    };
    if size > BLOB_LIMIT {
        return Err(Error::TooLarge { field: "head.size".into(), size, limit: BLOB_LIMIT, instead: "" });
    }
    let mut task: NewTask = required("head.task", task)?;
    let source: TaskId = text("head.source_task_id", &source_task_id)?;
    if task.queue_limit == 0 {
        return Err(Invalid::missing("head.task.queue_limit", "a number from 1").into());
    }
    let memory = u32::try_from(size.div_ceil(MIB)).unwrap_or(u32::MAX);
    // Nobody closes the semaphore; if somebody did there would be nothing to wait for.
    let _memory = service.blob_memory.acquire_many(memory).await.ok();
    let mut relies_on = Vec::new();
    let mut left = size;
    while let Some(part) = next(&mut parts).await? {
        let Part::Batch(batch) = part else {
            return Err(Invalid::hidden("head", "one head, as the first message").into());
        };
        left = left.checked_sub(batch.encoded_len() as u64).ok_or_else(|| other_size(size))?;
        let Batch { events, relies_on: on } = batch;
        task.events.extend(each::<_, NewEvent>("batch.events", events)?);
        relies_on.extend(each::<_, Reliance>("batch.relies_on", on)?);
    }
    if left > 0 {
        return Err(other_size(size).into());
    }
    if task.events.is_empty() {
        return Err(Invalid::missing("batch.events", "at least one event").into());
    }
    let fork = Fork { task, source, relies_on };
    Ok(service.deps.journal.fork(fork).await.map_err(Error::or_precondition)?.into())
}

fn other_size(size: u64) -> Invalid {
    Invalid::new("head.size", size, "the bytes of all batches")
}

async fn next(parts: &mut Streaming<v1::CreateForkRequest>) -> Result<Option<Part>, Error> {
    match parts.message().await? {
        None => Ok(None),
        Some(v1::CreateForkRequest { part: Some(part) }) => Ok(Some(part)),
        Some(v1::CreateForkRequest { part: None }) => {
            Err(Invalid::missing("part", "a head or a batch").into())
        }
    }
}
