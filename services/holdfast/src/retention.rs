//! Retention: what is finished and old is removed, now and then, in small batches.

use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::{Clock, Shutdown};
use holdfast_types::Timestamp;

use crate::compose::Stores;

/// How long a platform runs before it cleans up for the first time: a short `run` has no business with it.
const FIRST: Duration = Duration::from_secs(60);

/// How often it cleans up after that.
const EVERY: Duration = Duration::from_secs(3_600);

/// How many rows of a kind go in one transaction: a batch holds the writer for a few milliseconds.
const BATCH: u32 = 100;

/// Removes finished tasks older than `tasks`, keys whose retention has passed, and blobs that nobody refers to, until
/// the process ends.
pub(crate) async fn keep(stores: Stores, clock: Arc<dyn Clock>, tasks: Duration, shutdown: Shutdown) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = EVERY;
        match sweep(&stores, before(clock.now(), tasks)).await {
            Ok(Removed { tasks, keys, blobs }) => tracing::debug!(tasks, keys, blobs, "retention"),
            Err(error) => tracing::warn!(%error, "retention is put off"),
        }
    }
}

/// Returns what tasks have ended before that are older than `tasks`.
pub(crate) fn before(now: Timestamp, tasks: Duration) -> Timestamp {
    let micros = i64::try_from(tasks.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.micros().saturating_sub(micros))
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Removed {
    /// Tasks with all that only they referred to.
    pub(crate) tasks: u64,
    /// Keys and last good results.
    pub(crate) keys: u64,
    /// Blobs.
    pub(crate) blobs: u64,
}

/// Removes what may go, batch by batch; between two of them whoever waits for the writer has its turn. Tasks first, then
/// what they have held: their keys, then the blobs of both.
///
/// # Errors
/// The store's; what was removed before stays removed.
pub(crate) async fn sweep(stores: &Stores, before: Timestamp) -> holdfast_ports::Result<Removed> {
    let mut removed = Removed::default();
    while let gone @ 1.. = stores.tasks.prune(before, BATCH).await? {
        removed.tasks += u64::from(gone);
    }
    while let gone @ 1.. = stores.keys.prune(BATCH).await? {
        removed.keys += u64::from(gone);
    }
    while let gone @ 1.. = stores.blobs.collect(BATCH).await? {
        removed.blobs += u64::from(gone);
    }
    Ok(removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_store::{SqliteConfig, SqliteStore};
    use holdfast_types::journal::{Append, Hold, NewTask, Progress, RowUpdate};
    use holdfast_types::{AppendId, InstanceId, Namespace, OwnerId, TaskId, TaskOutcome, TaskStatus};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

    async fn finished(stores: &Stores, number: u8) -> TaskId {
        let id = TaskId::new(u64::from(number), [number; 10]);
        let claimant = holdfast_types::journal::Claimant {
            instance: InstanceId::new(1, [1; 10]),
            owner: OwnerId::new(1, [number; 10]),
        };
        let task = NewTask {
            id,
            namespace: Namespace::default(),
            name: "old".to_owned(),
            labels: Default::default(),
            digest: "d".repeat(64),
            events: Vec::new(),
            submitted_at: NOW,
            claimant: Some(claimant),
            queue_limit: 10,
            priority: holdfast_types::Priority::default(),
        };
        stores.journal.create(task).await.unwrap();
        let row = RowUpdate {
            status: TaskStatus::Finished,
            outcome: Some(TaskOutcome::Succeeded),
            waits_for: None,
            wake_at: None,
        };
        let append = Append {
            id: AppendId::new(1, [number; 10]),
            task: id,
            epoch: 1,
            owner: claimant.owner,
            expected_seq: 0,
            events: Vec::new(),
            keys: Vec::new(),
            last_good: Vec::new(),
            handled: Vec::new(),
            row,
            progress: Progress::Outcome,
            hold: Hold::GiveBack,
        };
        stores.journal.append(append).await.unwrap();
        id
    }

    #[tokio::test]
    async fn what_is_old_goes_and_what_is_not_stays() {
        let folder = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(folder.path().join("store.db"));
        let store = SqliteStore::open(config, Arc::new(|| NOW)).await.unwrap();
        let stores = Stores::of(store.clone());
        stores.leases.open(InstanceId::new(1, [1; 10])).await.unwrap();
        let id = finished(&stores, 7).await;
        let swept = sweep(&stores, before(NOW, Duration::from_secs(1))).await.unwrap();
        assert_eq!(swept, Removed::default());
        assert!(stores.tasks.get(id).await.is_ok());
        let swept = sweep(&stores, NOW.after(Duration::from_secs(1))).await.unwrap();
        assert_eq!(swept, Removed { tasks: 1, ..Removed::default() });
        assert!(stores.tasks.get(id).await.is_err());
        store.close().await;
    }
}
