//! The verbs of operators on one key: `Get` and `Forget`.

use holdfast_ports::KeyAnswer;
use holdfast_proto::convert::read_key;
use holdfast_proto::convert::time::optional_duration;
use holdfast_proto::v1;

use crate::{Error, Idempotency, bounds};

pub(crate) async fn get(
    service: &Idempotency,
    wire: v1::IdempotencyServiceGetRequest,
) -> Result<v1::IdempotencyServiceGetResponse, Error> {
    let key = read_key("key", wire.key)?;
    let wait = service.config.wait(optional_duration("wait", wire.wait)?)?;
    if !wait.is_zero() {
        tokio::select! {
            settled = service.keys.wait(&key, wait) => { settled?; }
            () = service.ended.cancelled() => {}
        }
    }
    let (row, evidence) = service.keys.get(&key).await?.ok_or(Error::UnknownKey)?;
    Ok(v1::IdempotencyServiceGetResponse {
        durability: service.durability().into(),
        row: Some(row.into()),
        evidence: evidence.into_iter().map(Into::into).collect(),
    })
}

pub(crate) async fn forget(
    service: &Idempotency,
    wire: v1::ForgetRequest,
) -> Result<v1::ForgetResponse, Error> {
    let key = read_key("key", wire.key)?;
    let reason = bounds::reason(wire.reason)?;
    match service.keys.forget(&key).await {
        Ok(KeyAnswer::Ok | KeyAnswer::Fenced { .. }) => {}
        Ok(KeyAnswer::NotFound) => return Err(Error::UnknownKey),
        Err(holdfast_ports::Error::Stale { why }) => return Err(Error::HeldByTask { why }),
        Err(error) => return Err(error.into()),
    }
    tracing::warn!(reason, "key forgotten by an operator, its operation may run again");
    Ok(v1::ForgetResponse { durability: service.durability().into() })
}
