//! `MarkRestored` and `ListRestores`.

use holdfast_proto::v1;

use crate::{Checkpoint, Error};

pub(crate) async fn mark(
    service: &Checkpoint,
    wire: v1::MarkRestoredRequest,
) -> Result<v1::MarkRestoredResponse, Error> {
    Ok(service.deps.leases.mark_restored(wire.try_into()?).await?.into())
}

pub(crate) async fn list(service: &Checkpoint) -> Result<v1::ListRestoresResponse, Error> {
    let restores = service.deps.leases.restores().await?;
    Ok(v1::ListRestoresResponse { restores: restores.into_iter().map(Into::into).collect() })
}
