//! Payloads in and out of the blob table: what is large stands there, once (PROTOCOL 20).

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_ports::Blobs;
use holdfast_types::payload::{INLINE_LIMIT, JSON_CONTENT_TYPE};
use holdfast_types::{BlobRef, Class, Effect, Failure, Payload, Reason, Source};
use serde_json::{Value, json};

/// How many bytes of blobs a driver keeps at hand, so that a fan-out reads a large result once.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The payloads of one task. A clone has the same blobs at hand.
#[derive(Clone)]
pub(crate) struct Payloads {
    blobs: Arc<dyn Blobs>,
    // A std mutex: held for a look-up, never across an await.
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    bytes: u64,
    by_sha: HashMap<String, (BlobRef, Arc<Value>)>,
}

impl std::fmt::Debug for Payloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payloads").finish_non_exhaustive()
    }
}

impl Payloads {
    pub(crate) fn new(blobs: Arc<dyn Blobs>) -> Self {
        Self { blobs, kept: Arc::default() }
    }

    /// Makes the payload that stands in the journal: in place, or by reference where it is large.
    pub(crate) async fn store(&self, value: Value) -> Result<Payload, Failure> {
        if !is_large(&value) {
            return Ok(Payload::Json(value));
        }
        let value = Arc::new(value);
        let content = serde_json::to_vec(&*value).map_err(|error| broken(&error.to_string()))?;
        let blob = self.blobs.put(content, JSON_CONTENT_TYPE).await.map_err(|error| unavailable(&error))?;
        self.keep(&blob, &value);
        Ok(Payload::Blob(blob))
    }

    /// Reads a payload. Content that is no JSON is described: its digest, length and type.
    pub(crate) async fn value(&self, payload: &Payload) -> Result<Value, Failure> {
        match payload {
            Payload::Json(value) => Ok(value.clone()),
            Payload::Blob(blob) => self.read(blob).await.map(|value| Value::clone(&value)),
        }
    }

    /// Makes a result that is large stand in the blob table. The effect has happened, so it tries until the store
    /// takes it; what the store refuses for good stands in place.
    pub(crate) async fn keep_result(&self, result: Payload) -> Payload {
        let Payload::Json(value) = result else { return result };
        if !is_large(&value) {
            return Payload::Json(value);
        }
        let mut pause = PAUSES.0;
        loop {
            match self.store(value.clone()).await {
                Ok(payload) => return payload,
                Err(failure) if failure.class == Class::Transient => {
                    tracing::warn!(%failure, "large result is not stored; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(failure) => {
                    tracing::warn!(%failure, "large result is refused by the blob table; kept in place");
                    return Payload::Json(value);
                }
            }
        }
    }

    /// Puts a blob again that the store says it lacks; false where it is not at hand.
    pub(crate) async fn put_again(&self, sha256: &str) -> bool {
        let at_hand = self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_sha.get(sha256).cloned();
        let Some((_, value)) = at_hand else { return false };
        let Ok(content) = serde_json::to_vec(&*value) else { return false };
        self.blobs.put(content, JSON_CONTENT_TYPE).await.is_ok_and(|blob| blob.sha256 == sha256)
    }

    async fn read(&self, blob: &BlobRef) -> Result<Arc<Value>, Failure> {
        if blob.content_type != JSON_CONTENT_TYPE {
            return Ok(Arc::new(json!(blob)));
        }
        let at_hand = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.by_sha.get(&blob.sha256).map(|(_, value)| Arc::clone(value))
        };
        if let Some(value) = at_hand {
            return Ok(value);
        }
        let content = self.blobs.get(&blob.sha256).await.map_err(|error| unavailable(&error))?;
        let value: Value = serde_json::from_slice(&content).map_err(|error| broken(&error.to_string()))?;
        let value = Arc::new(value);
        self.keep(blob, &value);
        Ok(value)
    }

    fn keep(&self, blob: &BlobRef, value: &Arc<Value>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + blob.size > KEPT_BYTES {
            *kept = Kept::default();
        }
        if kept.by_sha.insert(blob.sha256.clone(), (blob.clone(), Arc::clone(value))).is_none() {
            kept.bytes += blob.size;
        }
    }
}

/// Says whether a value is too large to stand in the journal.
pub(crate) fn is_large(value: &Value) -> bool {
    let mut counter = Counter { left: INLINE_LIMIT };
    serde_json::to_writer(&mut counter, value).is_err()
}

/// Counts bytes, and stops at the limit.
struct Counter {
    left: usize,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len()) {
            Some(left) => {
                self.left = left;
                Ok(bytes.len())
            }
            None => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unavailable(error: &holdfast_ports::Error) -> Failure {
    let class = if error.is_transient() { Class::Transient } else { Class::Permanent };
    let reason = match error {
        holdfast_ports::Error::TooLarge { .. } => Reason::TooLarge,
        _ => Reason::StoreUnavailable,
    };
    Failure::new(class, Effect::NotExecuted, reason, error.to_string()).from_source(Source::Store)
}

fn broken(why: &str) -> Failure {
    let message = format!("a stored payload does not read: {why}");
    Failure::new(Class::Permanent, Effect::NotExecuted, Reason::Internal, message).from_source(Source::Store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_counted_in_bytes_of_json() {
        assert!(!is_large(&json!("x".repeat(INLINE_LIMIT - 2))));
        assert!(is_large(&json!("x".repeat(INLINE_LIMIT - 1))));
    }
}
