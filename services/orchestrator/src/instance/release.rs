//! Gives claims back whose drivers ended without doing so (PROTOCOL 9).

use std::sync::Arc;
use std::time::Duration;

use holdfast_types::journal::{Append, Hold, Progress, RowUpdate};
use tokio::task::JoinSet;

use super::Instance;
use crate::driver::Claim;
use crate::shared::Shared;

/// The pause before a task whose driver failed is driven again; doubled with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Between two tries to release.
const PAUSE: Duration = Duration::from_secs(1);

/// How many tries: past them the claim ends with the session, or at the next comparison.
const TRIES: u32 = 5;

/// How long a task that only a newer binary can read is left for one.
const LEFT_FOR_NEWER: Duration = Duration::from_secs(60);

impl Instance {
    /// Gives a claim back that nobody drives.
    pub(super) fn release_soon(&self, claim: Claim) {
        tokio::spawn(release(Arc::clone(&self.shared), claim, Duration::ZERO));
    }

    pub(super) fn release_in(&self, claim: Claim, failures: u32, releases: &mut JoinSet<()>) {
        let pause = match failures {
            0 => Duration::ZERO,
            n => FIRST_PAUSE * 2_u32.saturating_pow(n.min(6)),
        };
        releases.spawn(release(Arc::clone(&self.shared), claim, pause));
    }

    /// Leaves a task untouched for a newer binary, for a while.
    pub(super) fn defer_in(&self, claim: Claim, releases: &mut JoinSet<()>) {
        releases.spawn(defer(Arc::clone(&self.shared), claim));
    }
}

async fn release(shared: Arc<Shared>, claim: Claim, pause: Duration) {
    tokio::time::sleep(pause).await;
    for _ in 0..TRIES {
        match shared.deps.leases.release(claim.task, claim.epoch, claim.owner).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(task_id = %claim.task, %error, "claim is not released; trying again")
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn defer(shared: Arc<Shared>, claim: Claim) {
    let deps = &shared.deps;
    let row = match deps.tasks.get(claim.task).await {
        Ok(row) => row,
        Err(error) => {
            tracing::warn!(task_id = %claim.task, %error, "row is not read; releasing");
            return release(shared, claim, LEFT_FOR_NEWER).await;
        }
    };
    let append = Append {
        id: deps.ids.append(),
        task: claim.task,
        epoch: claim.epoch,
        owner: claim.owner,
        expected_seq: claim.last_seq,
        events: Vec::new(),
        keys: Vec::new(),
        last_good: Vec::new(),
        handled: Vec::new(),
        row: RowUpdate {
            status: row.status,
            outcome: row.outcome,
            waits_for: row.waits_for,
            wake_at: Some(deps.clock.now().after(LEFT_FOR_NEWER)),
        },
        progress: Progress::None,
        hold: Hold::GiveBack,
    };
    if let Err(error) = deps.journal.append(append).await {
        tracing::warn!(task_id = %claim.task, %error, "task is not left for a newer binary; releasing");
        release(shared, claim, LEFT_FOR_NEWER).await;
    }
}
