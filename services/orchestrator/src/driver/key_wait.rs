//! Waits for the holder of a key (PROTOCOL 3).

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::Input;
use holdfast_types::{CallId, Key};

use super::Done;
use crate::shared::Shared;

/// A waiter reads the index again at least once a lease.
const ONE_LEASE: Duration = Duration::from_secs(10);

/// Between two tries where the key table does not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits until the key's row is settled or gone, or a lease has passed. Cancel-safe.
pub(super) async fn wait(shared: Arc<Shared>, call: CallId, key: Key) -> Done {
    loop {
        match shared.deps.keys.wait(&key, ONE_LEASE).await {
            Ok(row) => return Done::Answer(Input::KeyChanged { call, row: row.map(Box::new) }),
            Err(error) => tracing::warn!(%error, "waiting for a key failed; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
