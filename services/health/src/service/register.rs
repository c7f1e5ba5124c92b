//! `RegisterWorker`.

use holdfast_proto::convert::{Within, time};
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::status::of_invalid;
use holdfast_types::worker::WorkerInfo;
use tonic::Status;

use crate::Health;

pub(super) async fn register(
    health: &Health,
    request: v1::RegisterWorkerRequest,
) -> Result<v1::RegisterWorkerResponse, Status> {
    let info = request.worker.ok_or_else(|| of_invalid(Invalid::missing("worker", "a worker")))?;
    let info = WorkerInfo::try_from(info).within("worker").map_err(of_invalid)?;
    match request.draining {
        true => health.leave(info.id),
        false => health.register(info).await?,
    }
    let config = &health.directory.config;
    Ok(v1::RegisterWorkerResponse {
        lease: Some(time::duration(config.lease)),
        renew_after: Some(time::duration(config.renew_after)),
    })
}
