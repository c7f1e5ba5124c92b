//! Waits for the holder of a key (PROTOCOL 3).

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Input;
use holdfast_types::key::{Holder, KeyRow};
use holdfast_types::{CallId, Key, TaskId};
use tokio::time::Instant;

use super::Done;
use super::begin::LEASE;
use crate::KeyFront;
use crate::shared::Shared;

/// Between two tries where the key table does not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// How much longer than it was asked for a wait at the service may take.
const GRACE: Duration = Duration::from_secs(2);

/// Waits until the key's row is settled or gone, or a lease has passed. Cancel-safe.
pub(super) async fn wait(shared: Arc<Shared>, call: CallId, key: Key) -> Done {
    let row = at_index(&shared, &key).await;
    Done::Answer(Input::KeyChanged { call, row: row.map(Box::new) })
}

/// Waits as [`wait`] does for a holder that the service has named. Where the index knows nothing of it, the service is
/// waited for, for a lease at most; the next attempt asks both again, not before `pace` has passed. Cancel-safe.
pub(super) async fn wait_at_front(
    shared: Arc<Shared>,
    task: TaskId,
    call: CallId,
    key: Key,
    pace: Duration,
) -> Done {
    let began = Instant::now();
    let own = Holder::Call { task, call: call.clone() };
    let mut row = at_index(&shared, &key).await.filter(|row| row.is_free() || row.holder != own);
    if row.as_ref().is_none_or(KeyRow::is_free) {
        if let KeyFront::Service(front) = &shared.deps.front
            && shared.front.lets_through()
        {
            match tokio::time::timeout(LEASE + GRACE, front.wait(&key, LEASE)).await {
                Ok(Ok(_)) => shared.front.answered(),
                Ok(Err(error)) => shared.front.failed(&error.to_string()),
                Err(_) => shared.front.failed("a wait has no end"),
            }
        }
        tokio::time::sleep_until(began + pace).await;
        row = row.filter(KeyRow::is_free);
    }
    Done::Answer(Input::KeyChanged { call, row: row.map(Box::new) })
}

/// A waiter reads the index again at least once a lease.
async fn at_index(shared: &Shared, key: &Key) -> Option<KeyRow> {
    loop {
        match shared.deps.keys.wait(key, LEASE).await {
            Ok(row) => return row,
            Err(error) => tracing::warn!(%error, "waiting for a key failed; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
