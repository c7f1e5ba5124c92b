//! Checkpoints of foreign agents.

use holdfast_ports::{Checkpoint, CheckpointId, PendingWrite};
use holdfast_proto::convert::fields::{required, some_text, text};
use holdfast_proto::convert::{Within, json, time};
use holdfast_proto::{Invalid, v1};
use holdfast_types::Timestamp;

/// The longest name of a thread or a checkpoint, in bytes.
const NAME: usize = 512;

/// Writes a checkpoint.
#[must_use]
pub fn checkpoint(checkpoint: Checkpoint) -> v1::Checkpoint {
    v1::Checkpoint {
        name: Some(v1::CheckpointName {
            namespace: checkpoint.id.namespace.to_string(),
            thread: checkpoint.id.thread,
            id: checkpoint.id.id,
        }),
        parent_id: checkpoint.parent.unwrap_or_default(),
        at: Some(time::timestamp(checkpoint.at)),
        content: Some(checkpoint.content.into()),
        metadata_json: checkpoint.metadata.to_string(),
    }
}

/// Reads a checkpoint; `now` stands where the sender's time does not count or is absent.
///
/// # Errors
/// [`Invalid`] where a field is missing or malformed.
pub fn read_checkpoint(wire: v1::Checkpoint, now: Timestamp) -> Result<Checkpoint, Invalid> {
    let metadata = match wire.metadata_json.as_str() {
        "" => serde_json::Value::Object(serde_json::Map::new()),
        text => json::read_object("metadata_json", text)?,
    };
    Ok(Checkpoint {
        id: read_checkpoint_id(wire.name).within("name")?,
        parent: (!wire.parent_id.is_empty()).then_some(wire.parent_id),
        at: time::optional_timestamp("at", wire.at)?.unwrap_or(now),
        content: required("content", wire.content)?,
        metadata,
    })
}

/// Reads the name of a checkpoint.
///
/// # Errors
/// [`Invalid`] where a part is missing, malformed or too long.
pub fn read_checkpoint_id(wire: Option<v1::CheckpointName>) -> Result<CheckpointId, Invalid> {
    let wire = wire.ok_or_else(|| Invalid::missing("", "a name"))?;
    Ok(CheckpointId {
        namespace: text("namespace", &wire.namespace)?,
        thread: name("thread", wire.thread)?,
        id: name("id", wire.id)?,
    })
}

/// Reads the name of a thread or a checkpoint.
///
/// # Errors
/// [`Invalid`] where it is empty or too long.
pub fn name(field: &str, value: String) -> Result<String, Invalid> {
    let value = some_text(field, value)?;
    if value.len() > NAME {
        return Err(Invalid::new(field, value, format!("at most {NAME} bytes")));
    }
    Ok(value)
}

/// Writes a pending write.
#[must_use]
pub fn pending_write(write: PendingWrite) -> v1::PendingWrite {
    v1::PendingWrite {
        writer: write.writer,
        position: write.position,
        channel: write.channel,
        value: Some(write.value.into()),
    }
}

/// Reads a pending write.
///
/// # Errors
/// [`Invalid`] where a field is missing or malformed.
pub fn read_pending_write(wire: v1::PendingWrite) -> Result<PendingWrite, Invalid> {
    Ok(PendingWrite {
        writer: name("writer", wire.writer)?,
        position: wire.position,
        channel: name("channel", wire.channel)?,
        value: required("value", wire.value)?,
    })
}
