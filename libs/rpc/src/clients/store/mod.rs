//! The storage ports behind `CheckpointService`, one file a port.

mod append;
mod batch;
mod blobs;
mod checkpoints;
mod follow;
mod fork;
mod inbox;
mod journal;
mod keys;
mod leases;
mod session;
mod session_stream;
mod session_task;
mod stream;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use holdfast_ports::Error;
use holdfast_proto::Invalid;
use holdfast_proto::v1::checkpoint_service_client::CheckpointServiceClient;

use super::Replicas;
use crate::client::Channel;
use append::Appends;
use session::Sessions;

type Client = CheckpointServiceClient<Channel>;

/// The stores behind the checkpoint service: every storage port. Cheap to clone; clones share connections, sessions
/// and the batches of appends.
///
/// A verb that fails on its way is asked once more, at the next replica, where a repeat is harmless; the caller hears
/// of the second failure. Appends of all tasks that wait are sent together.
#[derive(Clone)]
pub struct RemoteStore {
    service: Replicas,
    appends: Appends,
    sessions: Arc<Sessions>,
    /// Whether the key table said that it does not stand in the journal's store.
    weaker: Arc<AtomicBool>,
}

impl std::fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStore").field("service", &self.service).finish_non_exhaustive()
    }
}

impl RemoteStore {
    /// Makes the client of the checkpoint service at some addresses. Must be called within a tokio runtime; what runs
    /// there ends with the last clone.
    #[must_use]
    pub fn new(service: Replicas) -> Self {
        Self {
            appends: Appends::start(service.clone()),
            sessions: Arc::new(Sessions::new(service.clone())),
            weaker: Arc::default(),
            service,
        }
    }
}

/// The error of an answer that breaks the protocol.
fn unreadable(what: &'static str) -> impl Fn(Invalid) -> Error {
    move |invalid| Error::Corrupt { what: format!("the answer to {what}"), why: invalid.to_string() }
}
