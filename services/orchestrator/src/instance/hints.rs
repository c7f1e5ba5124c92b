//! Hints that a task was woken: they save a second of waiting, and everything also works without them.

use std::time::Duration;

use futures::StreamExt;

use super::Instance;

/// Between two tries to follow the hints.
const PAUSE: Duration = Duration::from_secs(1);

impl Instance {
    pub(super) async fn follow_hints(&self) {
        loop {
            match self.shared.deps.inbox.wakeups().await {
                Ok(mut woken) => {
                    while let Some(task) = woken.next().await {
                        self.hint(task);
                    }
                }
                Err(error) => tracing::warn!(%error, "hints are not followed; polling goes on"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
