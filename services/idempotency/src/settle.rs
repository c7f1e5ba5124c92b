//! The verbs that name a token: `Extend`, `Complete`, `Release` and `FailFinal`.

use holdfast_ports::KeyAnswer;
use holdfast_proto::convert::fields::optional;
use holdfast_proto::convert::{read_key, time};
use holdfast_proto::v1;
use holdfast_proto::v1::complete_response::Recorded;
use holdfast_proto::v1::release_response::Left;
use holdfast_types::key::{Holder, Key, KeyRow, KeyState};
use holdfast_types::worker::CallRef;

use crate::{Error, Idempotency, bounds};

pub(crate) async fn extend(
    service: &Idempotency,
    wire: v1::ExtendRequest,
) -> Result<v1::ExtendResponse, Error> {
    let key = read_key("key", wire.key)?;
    let token = bounds::token(wire.token)?;
    let lease = service.config.lease(time::optional_duration("lease", wire.lease)?)?;
    done(service.keys.extend(&key, token, lease).await?)?;
    let row = row(service, &key).await?.filter(|row| row.token == token);
    Ok(v1::ExtendResponse {
        durability: service.durability().into(),
        lease_until: row.and_then(|row| row.lease_until).map(time::timestamp),
    })
}

pub(crate) async fn complete(
    service: &Idempotency,
    wire: v1::CompleteRequest,
) -> Result<v1::CompleteResponse, Error> {
    let key = read_key("key", wire.key)?;
    let retention = service.config.retention(time::optional_duration("retention", wire.retention)?)?;
    let call: Option<CallRef> = optional("call", wire.call)?;
    let result = bounds::result(wire.result)?;
    let recorded = match call {
        Some(CallRef { task, call }) => {
            let holder = Holder::Call { task, call };
            match service.keys.offer_evidence(&key, &holder, result).await? {
                KeyAnswer::NotFound => return Err(Error::UnknownKey),
                KeyAnswer::Ok | KeyAnswer::Fenced { .. } => Recorded::Evidence,
            }
        }
        None => {
            let token = bounds::token(wire.token)?;
            match service.keys.complete(&key, token, result, retention).await? {
                KeyAnswer::NotFound => return Err(Error::UnknownKey),
                KeyAnswer::Fenced { .. } => Recorded::Evidence,
                KeyAnswer::Ok => recorded(row(service, &key).await?.as_ref()),
            }
        }
    };
    Ok(v1::CompleteResponse { durability: service.durability().into(), recorded: recorded.into() })
}

/// What an accepted result became: of a key that a task's call holds, its driver settles it.
fn recorded(row: Option<&KeyRow>) -> Recorded {
    match row.map(|row| &row.holder) {
        Some(Holder::Call { .. }) => Recorded::Evidence,
        Some(Holder::Foreign(_)) | None => Recorded::Result,
    }
}

pub(crate) async fn release(
    service: &Idempotency,
    wire: v1::ReleaseRequest,
) -> Result<v1::ReleaseResponse, Error> {
    let key = read_key("key", wire.key)?;
    let token = bounds::token(wire.token)?;
    done(service.keys.release(&key, token).await?)?;
    let left = left(row(service, &key).await?.as_ref());
    Ok(v1::ReleaseResponse { durability: service.durability().into(), left: left.into() })
}

/// What a release has left. Somebody may have asked since: who takes a free key begins the first attempt, who takes
/// one in doubt a later one.
fn left(row: Option<&KeyRow>) -> Left {
    match row {
        Some(row) if row.state == KeyState::InDoubt || row.attempts > 1 => Left::InDoubt,
        _ => Left::Free,
    }
}

pub(crate) async fn fail_final(
    service: &Idempotency,
    wire: v1::FailFinalRequest,
) -> Result<v1::FailFinalResponse, Error> {
    let key = read_key("key", wire.key)?;
    let token = bounds::token(wire.token)?;
    let retention = service.config.retention(time::optional_duration("retention", wire.retention)?)?;
    let failure = bounds::failure(wire.failure)?;
    done(service.keys.fail_final(&key, token, failure, retention).await?)?;
    Ok(v1::FailFinalResponse { durability: service.durability().into() })
}

fn done(answer: KeyAnswer) -> Result<(), Error> {
    match answer {
        KeyAnswer::Ok => Ok(()),
        KeyAnswer::Fenced { current } => Err(Error::StaleToken { current }),
        KeyAnswer::NotFound => Err(Error::UnknownKey),
    }
}

async fn row(service: &Idempotency, key: &Key) -> Result<Option<KeyRow>, Error> {
    Ok(service.keys.get(key).await?.map(|(row, _)| row))
}
