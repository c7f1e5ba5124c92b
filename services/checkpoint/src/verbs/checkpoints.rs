//! Checkpoints of agents that are not run by Holdfast.

use holdfast_ports::Error as Port;
use holdfast_proto::convert::fields::text;
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::convert::{
    checkpoint, name, pending_write, read_checkpoint, read_checkpoint_id, read_pending_write,
};
use holdfast_types::Namespace;
use holdfast_types::payload::INLINE_LIMIT;

use crate::answer::{fitting, in_place, page_size};
use crate::{Checkpoint, Error};

/// The most writes of a request.
const WRITES: usize = 1_000;

pub(crate) async fn put(
    service: &Checkpoint,
    wire: v1::PutCheckpointRequest,
) -> Result<v1::PutCheckpointResponse, Error> {
    let mut wire = wire.checkpoint.ok_or_else(|| Invalid::missing("checkpoint", "a checkpoint"))?;
    in_place("checkpoint.content", wire.content.as_ref())?;
    if wire.metadata_json.len() > INLINE_LIMIT {
        return Err(Error::TooLarge {
            field: "checkpoint.metadata_json".into(),
            size: wire.metadata_json.len() as u64,
            limit: INLINE_LIMIT as u64,
            instead: "",
        });
    }
    // When it was stored is the store's word.
    wire.at = None;
    let read =
        read_checkpoint(wire, service.deps.clock.now()).map_err(|invalid| invalid.within("checkpoint"))?;
    service.deps.checkpoints.put(read).await.map_err(Error::or_exists)?;
    Ok(v1::PutCheckpointResponse {})
}

pub(crate) async fn put_writes(
    service: &Checkpoint,
    wire: v1::PutCheckpointWritesRequest,
) -> Result<v1::PutCheckpointWritesResponse, Error> {
    let id = read_checkpoint_id(wire.name).map_err(|invalid| invalid.within("name"))?;
    if wire.writes.len() > WRITES {
        return Err(Invalid::new("writes", wire.writes.len(), format!("at most {WRITES}")).into());
    }
    let mut writes = Vec::with_capacity(wire.writes.len());
    for (position, write) in wire.writes.into_iter().enumerate() {
        let place = format!("writes[{position}]");
        in_place(&format!("{place}.value"), write.value.as_ref())?;
        writes.push(read_pending_write(write).map_err(|invalid| invalid.within(&place))?);
    }
    service.deps.checkpoints.put_writes(&id, writes).await?;
    Ok(v1::PutCheckpointWritesResponse {})
}

pub(crate) async fn get(
    service: &Checkpoint,
    wire: v1::GetCheckpointRequest,
) -> Result<v1::GetCheckpointResponse, Error> {
    let (namespace, thread) = thread(&wire.namespace, "thread", wire.thread)?;
    let id = (!wire.id.is_empty()).then_some(wire.id.as_str());
    let found = service.deps.checkpoints.get(&namespace, &thread, id).await?;
    let (found, writes) = found.ok_or_else(|| not_found(&thread, id))?;
    Ok(v1::GetCheckpointResponse {
        checkpoint: Some(checkpoint(found)),
        writes: writes.into_iter().map(pending_write).collect(),
    })
}

/// An answer holds fewer than asked for where their contents would not fit a message; only an empty one is the end.
pub(crate) async fn list(
    service: &Checkpoint,
    wire: v1::ListCheckpointsRequest,
) -> Result<v1::ListCheckpointsResponse, Error> {
    let (namespace, thread) = thread(&wire.namespace, "thread", wire.thread)?;
    let before = (!wire.before.is_empty()).then_some(wire.before.as_str());
    let limit = page_size("limit", wire.limit)?;
    let listed = service.deps.checkpoints.list(&namespace, &thread, before, limit).await?;
    Ok(v1::ListCheckpointsResponse { checkpoints: fitting(listed.into_iter().map(checkpoint).collect()) })
}

pub(crate) async fn copy(
    service: &Checkpoint,
    wire: v1::CopyCheckpointsRequest,
) -> Result<v1::CopyCheckpointsResponse, Error> {
    let (namespace, from) = thread(&wire.namespace, "from_thread", wire.from_thread)?;
    let to = name("to_thread", wire.to_thread)?;
    let until = (!wire.until.is_empty()).then_some(wire.until.as_str());
    let checkpoints = &service.deps.checkpoints;
    if checkpoints.get(&namespace, &from, until).await?.is_none() {
        return Err(not_found(&from, until));
    }
    let copied = checkpoints.copy(&namespace, &from, &to, until).await.map_err(Error::or_exists)?;
    Ok(v1::CopyCheckpointsResponse { copied })
}

pub(crate) async fn prune(
    service: &Checkpoint,
    wire: v1::PruneCheckpointsRequest,
) -> Result<v1::PruneCheckpointsResponse, Error> {
    let (namespace, thread) = thread(&wire.namespace, "thread", wire.thread)?;
    let removed = service.deps.checkpoints.prune(&namespace, &thread, wire.keep).await?;
    Ok(v1::PruneCheckpointsResponse { removed })
}

fn thread(namespace: &str, field: &str, thread: String) -> Result<(Namespace, String), Invalid> {
    Ok((text("namespace", namespace)?, name(field, thread)?))
}

fn not_found(thread: &str, id: Option<&str>) -> Error {
    let what = match id {
        Some(id) => format!("checkpoint {id} of thread {thread}"),
        None => format!("thread {thread}"),
    };
    Port::NotFound { what }.into()
}
