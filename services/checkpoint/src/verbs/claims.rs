//! `Claim` and `ReleaseTask`.

use holdfast_proto::convert::fields::{text, text_or_none};
use holdfast_proto::convert::time::timestamp;
use holdfast_proto::{Invalid, v1};
use holdfast_types::journal::Claimed;
use holdfast_types::{InstanceId, OwnerId, TaskId};

use crate::{Checkpoint, Error};

/// The most owner ids of a request.
const OWNERS: usize = 1_000;

/// Without owner ids nothing is claimed: the request only asks when the next task wants to be driven.
pub(crate) async fn claim(service: &Checkpoint, wire: v1::ClaimRequest) -> Result<v1::ClaimResponse, Error> {
    let leases = &service.deps.leases;
    let tasks = match wire.owner_ids.is_empty() {
        true => Vec::new(),
        false => take(service, wire).await?,
    };
    let next_wake_at = leases.next_wake().await?;
    Ok(v1::ClaimResponse {
        tasks: tasks.into_iter().map(Into::into).collect(),
        next_wake_at: next_wake_at.map(timestamp),
        store_time: Some(timestamp(service.deps.clock.now())),
    })
}

async fn take(service: &Checkpoint, wire: v1::ClaimRequest) -> Result<Vec<Claimed>, Error> {
    if wire.owner_ids.len() > OWNERS {
        return Err(Invalid::new("owner_ids", wire.owner_ids.len(), format!("at most {OWNERS}")).into());
    }
    let instance: InstanceId = text("instance_id", &wire.instance_id)?;
    let one: Option<TaskId> = text_or_none("task_id", &wire.task_id)?;
    let owner = |(position, id): (usize, &String)| text(&format!("owner_ids[{position}]"), id);
    let owners = wire.owner_ids.iter().enumerate().map(owner).collect::<Result<Vec<OwnerId>, _>>()?;
    let leases = &service.deps.leases;
    let claimed = match (one, owners.first()) {
        (Some(task), Some(owner)) => {
            leases.claim_one(instance, *owner, task).await.map(|claimed| claimed.into_iter().collect())
        }
        _ => {
            let limit = u32::try_from(owners.len()).unwrap_or(u32::MAX);
            leases.claim(instance, owners, limit).await
        }
    };
    claimed.map_err(Error::or_precondition)
}

pub(crate) async fn release(
    service: &Checkpoint,
    wire: v1::ReleaseTaskRequest,
) -> Result<v1::ReleaseTaskResponse, Error> {
    let task = text("task_id", &wire.task_id)?;
    let owner = text("owner_id", &wire.owner_id)?;
    service.deps.leases.release(task, wire.epoch, owner).await?;
    Ok(v1::ReleaseTaskResponse {})
}
