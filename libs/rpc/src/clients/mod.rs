//! The gRPC clients of the ports.

mod directory;
mod execution;
mod front;
mod replicas;
mod store;
mod tools;
pub(crate) mod unary;

pub use directory::{RemoteDirectory, WorkerDial};
pub use front::RemoteKeys;
pub use replicas::Replicas;
pub use store::RemoteStore;
pub use tools::RemoteTools;

use holdfast_ports::KeyAnswer;
use holdfast_types::key::{Holder, KeyRow, KeyState, LateEvidence};
use holdfast_types::worker::CallRef;

/// The call that offers evidence. Foreign holders complete by their token: on the wire they have no other way, so what
/// they offer otherwise is answered as fenced, and not kept.
fn call_of(holder: &Holder) -> Option<CallRef> {
    match holder {
        Holder::Call { task, call } => Some(CallRef { task: *task, call: call.clone() }),
        Holder::Foreign(_) => None,
    }
}

/// The answer to a token that is none.
fn fenced(row: Option<(KeyRow, Vec<LateEvidence>)>) -> KeyAnswer {
    row.map_or(KeyAnswer::NotFound, |(row, _)| KeyAnswer::Fenced { current: row.token })
}

/// Says whether somebody who waits for a key goes on waiting.
fn is_awaited(row: &KeyRow) -> bool {
    !row.is_free() && matches!(row.state, KeyState::Open | KeyState::InDoubt)
}
