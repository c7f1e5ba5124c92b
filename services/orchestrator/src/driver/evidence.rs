//! What a worker has written on a call's key before it answered (PROTOCOL 12): it outlives the worker and the driver.

use std::time::Duration;

use holdfast_types::key::{Holder, Key, KeyState};
use holdfast_types::{CallId, Payload, TaskId};

use crate::shared::Shared;

/// Between two tries where the key table does not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads the result that a call's present claim has brought, if its worker has left one. Asks until the key table
/// answers: a person who is asked about a fact that is known is asked in vain. Cancel-safe.
pub(super) async fn of_call(
    shared: &Shared,
    task: TaskId,
    call: &CallId,
    key: Option<&Key>,
) -> Option<Payload> {
    let key = key?;
    let (row, evidence) = loop {
        match shared.deps.keys.get(key).await {
            Ok(found) => break found?,
            Err(error) => {
                tracing::warn!(task_id = %task, %call, %error, "evidence is not told; asking again")
            }
        }
        tokio::time::sleep(PAUSE).await;
    };
    if row.is_free() || row.holder != (Holder::Call { task, call: call.clone() }) {
        return None;
    }
    let result = match row.state {
        KeyState::Done { result } => Some(result),
        // Under another token it is of an earlier generation, or a stranger's.
        _ => evidence.into_iter().rev().find(|late| late.token == row.token).map(|late| late.result),
    };
    if result.is_some() {
        tracing::info!(task_id = %task, %call, "the call's worker left its result; nobody need be asked");
    }
    result
}
