//! The key table's verbs.

use std::time::Duration;

use holdfast_ports::KeyAnswer;
use holdfast_proto::convert::fields::{optional, required};
use holdfast_proto::convert::{read_key, time};
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::convert::{begin_answer, durability, key_answer, read_begin};
use holdfast_types::Payload;
use holdfast_types::key::Holder;
use holdfast_types::worker::CallRef;

use crate::answer::{fitting, in_place, page_size};
use crate::{Checkpoint, Error};

/// How long a settled key is kept where the caller does not say (DESIGN section 13).
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

pub(crate) async fn claim(
    service: &Checkpoint,
    wire: v1::ClaimKeyRequest,
) -> Result<v1::ClaimKeyResponse, Error> {
    let begin = wire.begin.ok_or_else(|| Invalid::missing("begin", "what is asked"))?;
    if begin.wait.is_some() {
        return Err(Invalid::hidden("begin.wait", "nothing: wait with GetKey and ask again").into());
    }
    let begin = read_begin(begin).map_err(|invalid| invalid.within("begin"))?;
    let keys = &service.deps.keys;
    let answer = keys.begin(begin).await.map_err(Error::or_precondition)?;
    Ok(v1::ClaimKeyResponse {
        durability: durability(keys.durability()).into(),
        answer: Some(begin_answer(answer)),
    })
}

pub(crate) async fn extend(service: &Checkpoint, wire: v1::ExtendKeyRequest) -> Result<KeyAnswer, Error> {
    let key = read_key("key", wire.key)?;
    let lease = time::required_duration("lease", wire.lease)?;
    Ok(service.deps.keys.extend(&key, wire.token, lease).await?)
}

pub(crate) async fn complete(service: &Checkpoint, wire: v1::CompleteKeyRequest) -> Result<KeyAnswer, Error> {
    let key = read_key("key", wire.key)?;
    in_place("result", wire.result.as_ref())?;
    let result: Payload = required("result", wire.result)?;
    let retention = time::optional_duration("retention", wire.retention)?.unwrap_or(RETENTION);
    let keys = &service.deps.keys;
    Ok(match optional("call", wire.call)? {
        Some(CallRef { task, call }) => {
            keys.offer_evidence(&key, &Holder::Call { task, call }, result).await?
        }
        None => keys.complete(&key, wire.token, result, retention).await?,
    })
}

pub(crate) async fn release(service: &Checkpoint, wire: v1::ReleaseKeyRequest) -> Result<KeyAnswer, Error> {
    let key = read_key("key", wire.key)?;
    Ok(service.deps.keys.release(&key, wire.token).await?)
}

pub(crate) async fn fail(service: &Checkpoint, wire: v1::FailKeyRequest) -> Result<KeyAnswer, Error> {
    let key = read_key("key", wire.key)?;
    let failure = required("failure", wire.failure)?;
    let retention = time::optional_duration("retention", wire.retention)?.unwrap_or(RETENTION);
    Ok(service.deps.keys.fail_final(&key, wire.token, failure, retention).await?)
}

pub(crate) async fn get(service: &Checkpoint, wire: v1::GetKeyRequest) -> Result<v1::GetKeyResponse, Error> {
    let key = read_key("key", wire.key)?;
    let keys = &service.deps.keys;
    if let Some(wait) = time::optional_duration("wait", wire.wait)? {
        let longest = service.config.longest_wait;
        if wait > longest {
            let most = format!("at most {} s", longest.as_secs());
            return Err(Invalid::new("wait", format!("{} s", wait.as_secs()), most).into());
        }
        tokio::select! {
            settled = keys.wait(&key, wait) => { settled?; }
            () = service.ended.cancelled() => {}
        }
    }
    let (row, evidence) = keys.get(&key).await?.unzip();
    Ok(v1::GetKeyResponse {
        durability: durability(keys.durability()).into(),
        row: row.map(Into::into),
        evidence: evidence.unwrap_or_default().into_iter().map(Into::into).collect(),
    })
}

/// An answer holds fewer rows than asked for where their results would not fit a message; only an empty one is the
/// end.
pub(crate) async fn list(
    service: &Checkpoint,
    wire: v1::ListKeysRequest,
) -> Result<v1::ListKeysResponse, Error> {
    let after = match wire.after {
        after if after.is_empty() => None,
        after => Some(read_key("after", after)?),
    };
    let limit = page_size("limit", wire.limit)?;
    let rows = service.deps.keys.list(&wire.prefix, after.as_ref(), limit).await?;
    Ok(v1::ListKeysResponse { rows: fitting(rows.into_iter().map(Into::into).collect()) })
}

pub(crate) async fn forget(service: &Checkpoint, wire: v1::ForgetKeyRequest) -> Result<KeyAnswer, Error> {
    let key = read_key("key", wire.key)?;
    service.deps.keys.forget(&key).await.map_err(Error::or_precondition)
}

/// Writes an answer about a token.
pub(crate) fn answered(answer: &KeyAnswer) -> Option<v1::KeyAnswer> {
    Some(key_answer(answer))
}
