//! Payloads on their way in and out: by value where they are small, through the blob table where they are not.

use std::time::Duration;

use holdfast_ports::{KeyAnswer, Keys};
use holdfast_resilience::keys::before_generation;
use holdfast_tool::{Answer, ToolFailure};
use holdfast_types::key::Holder;
use holdfast_types::payload::{BLOB_LIMIT, INLINE_LIMIT, JSON_CONTENT_TYPE};
use holdfast_types::worker::{CallOutcome, Execute, Success};
use holdfast_types::{Class, Effect, Failure, Key, Payload, Reason, SideEffect, Source};
use serde_json::Value;

use crate::executor::Shared;

/// The largest result without a blob table: one message (DESIGN section 13).
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// How long a store may take before the answer goes out without it.
const STORE_LIMIT: Duration = Duration::from_secs(2);

/// Where a result is kept as evidence: only where a repeat would be harmful (PROTOCOL 12).
pub(crate) struct Evidence(Option<(Key, Holder)>);

impl Evidence {
    pub(crate) fn of(execute: &Execute, class: SideEffect) -> Self {
        let call = &execute.call;
        let holder = || Holder::Call { task: call.task, call: call.call.clone() };
        Self((!class.is_repeatable()).then(|| (execute.key.clone(), holder())))
    }
}

/// Reads a call's arguments.
pub(crate) async fn fetch(shared: &Shared, args: &Payload) -> Result<Value, ToolFailure> {
    let blob = match args {
        Payload::Json(value) => return Ok(value.clone()),
        Payload::Blob(blob) => blob,
    };
    let Some(blobs) = &shared.blobs else {
        return Err(ToolFailure::bad_arguments(
            "the arguments stand in a blob, and this worker has no blob store",
        ));
    };
    let content = blobs.get(&blob.sha256).await.map_err(|error| {
        let message = format!("the arguments can't be read: {error}");
        let class = if error.is_transient() { Class::Transient } else { Class::Permanent };
        ToolFailure::new(class, Reason::StoreUnavailable, message).not_executed()
    })?;
    serde_json::from_slice(&content)
        .map_err(|error| ToolFailure::bad_arguments(format!("the arguments are not JSON: {error}")))
}

/// Makes the payload of a result that the tool has returned, and keeps it as evidence where that matters.
///
/// The effect has happened: nothing here may turn the outcome into one that did not.
pub(crate) async fn keep(shared: &Shared, answer: Answer, evidence: Evidence) -> CallOutcome {
    let replayed_downstream = answer.replayed_downstream;
    let outcome = payload(shared, answer.result).await;
    if let (Ok(result), Evidence(Some((key, holder))), Some(keys)) = (&outcome, evidence, &shared.keys) {
        let offered = offer(&**keys, &key, &holder, result);
        match tokio::time::timeout(STORE_LIMIT, offered).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%holder, %error, "evidence of a result was not kept"),
            Err(_) => tracing::warn!(%holder, "evidence of a result was not kept in time"),
        }
    }
    outcome.map(|result| Success { result, replayed_downstream })
}

/// The table has one row a key, of its current generation; the tool's key names the generation too. A key may end so by
/// itself: the shorter one is meant where its row is this call's.
async fn offer(
    keys: &dyn Keys,
    key: &Key,
    holder: &Holder,
    result: &Payload,
) -> holdfast_ports::Result<KeyAnswer> {
    let answer = keys.offer_evidence(key, holder, result.clone()).await?;
    match before_generation(key) {
        Some(before) if answer == KeyAnswer::NotFound => match keys.get(&before).await? {
            Some((row, _)) if row.holder == *holder => {
                keys.offer_evidence(&before, holder, result.clone()).await
            }
            _ => Ok(answer),
        },
        _ => Ok(answer),
    }
}

async fn payload(shared: &Shared, result: Value) -> Result<Payload, Failure> {
    let Some(content) = large(&result) else { return Ok(Payload::Json(result)) };
    let size = content.len();
    let Some(blobs) = &shared.blobs else { return inline(result, size) };
    if u64::try_from(size).unwrap_or(u64::MAX) > BLOB_LIMIT {
        return Err(too_large(size, BLOB_LIMIT));
    }
    match tokio::time::timeout(STORE_LIMIT, blobs.put(content, JSON_CONTENT_TYPE)).await {
        Ok(Ok(blob)) => Ok(Payload::Blob(blob)),
        Ok(Err(error)) => {
            tracing::warn!(size, %error, "a large result goes inline, the blob store refused it");
            inline(result, size)
        }
        Err(_) => {
            tracing::warn!(size, "a large result goes inline, the blob store did not answer in time");
            inline(result, size)
        }
    }
}

/// Returns the text of a value that is too large to stand in the journal.
fn large(value: &Value) -> Option<Vec<u8>> {
    // A JSON value always has a text: the names in its maps are texts.
    let content = serde_json::to_vec(value).unwrap_or_default();
    (content.len() > INLINE_LIMIT).then_some(content)
}

fn inline(result: Value, size: usize) -> Result<Payload, Failure> {
    if size > MESSAGE_LIMIT {
        return Err(too_large(size, MESSAGE_LIMIT as u64));
    }
    Ok(Payload::Json(result))
}

fn too_large(size: usize, limit: u64) -> Failure {
    let message = format!("the result has {size} bytes, at most {limit} are allowed");
    Failure::new(Class::Semantic, Effect::Executed, Reason::TooLarge, message).from_source(Source::Tool)
}
