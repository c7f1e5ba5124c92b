//! `Prune`: one small step of retention.

use holdfast_proto::convert::time::required_timestamp;
use holdfast_proto::{Invalid, v1};

use crate::{Checkpoint, Error};

/// The most of each kind in one request: nobody waits long behind it.
const MOST: u32 = 1_000;

pub(crate) async fn prune(service: &Checkpoint, wire: v1::PruneRequest) -> Result<v1::PruneResponse, Error> {
    for (field, given) in [("tasks", wire.tasks), ("keys", wire.keys), ("blobs", wire.blobs)] {
        if given > MOST {
            return Err(Invalid::new(field, given, format!("at most {MOST}")).into());
        }
    }
    let deps = &service.deps;
    let mut pruned = v1::PruneResponse::default();
    // Tasks first: keys and blobs that only they needed are free then.
    if wire.tasks > 0 {
        let before = required_timestamp("finished_before", wire.finished_before)?;
        pruned.tasks = deps.tasks.prune(before, wire.tasks).await?;
    }
    if wire.keys > 0 {
        pruned.keys = deps.keys.prune(wire.keys).await?;
    }
    if wire.blobs > 0 {
        pruned.blobs = deps.blobs.collect(wire.blobs).await?;
    }
    Ok(pruned)
}
