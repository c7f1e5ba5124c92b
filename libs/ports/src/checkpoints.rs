//! Generic checkpoints, for agents that are not run by Holdfast.

use async_trait::async_trait;
use holdfast_types::{Namespace, Payload, Timestamp};

use crate::Result;

/// Names a checkpoint: within a namespace and a thread, ids sort in the order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId {
    /// The namespace.
    pub namespace: Namespace,
    /// The thread: a conversation or a run of the caller's.
    pub thread: String,
    /// The checkpoint, chosen by the caller.
    pub id: String,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Its name.
    pub id: CheckpointId,
    /// The checkpoint that it follows.
    pub parent: Option<String>,
    /// When it was stored.
    pub at: Timestamp,
    /// Its content.
    pub content: Payload,
    /// Metadata, as JSON.
    pub metadata: serde_json::Value,
}

/// A write that belongs to a checkpoint and was made before its successor existed.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingWrite {
    /// The writer: a node or a task of the caller's.
    pub writer: String,
    /// Its position among the writer's writes.
    pub position: u32,
    /// The channel.
    pub channel: String,
    /// The value.
    pub value: Payload,
}

/// Checkpoints by thread.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// Stores a checkpoint; the same id with the same content again is success.
    ///
    /// # Errors
    /// `Stale` where the id is there with other content.
    async fn put(&self, checkpoint: Checkpoint) -> Result<()>;

    /// Adds pending writes to a checkpoint; a repeat by (writer, position) is ignored.
    async fn put_writes(&self, id: &CheckpointId, writes: Vec<PendingWrite>) -> Result<()>;

    /// Reads one, or the newest of the thread, with its pending writes.
    async fn get(
        &self,
        namespace: &Namespace,
        thread: &str,
        id: Option<&str>,
    ) -> Result<Option<(Checkpoint, Vec<PendingWrite>)>>;

    /// Lists a thread's checkpoints, newest first, before an id.
    async fn list(
        &self,
        namespace: &Namespace,
        thread: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Checkpoint>>;

    /// Copies a thread up to and including an id (all, where none is given) to a new thread.
    ///
    /// # Errors
    /// `Stale` where the target has checkpoints already.
    async fn copy(&self, namespace: &Namespace, from: &str, to: &str, until: Option<&str>) -> Result<u32>;

    /// Removes all but the newest `keep` of a thread. Returns how many.
    async fn prune(&self, namespace: &Namespace, thread: &str, keep: u32) -> Result<u32>;
}
