//! Claims tasks that want to be driven and that nobody holds: at hints, at wake-ups, and at least once a second.

use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::Shutdown;
use holdfast_types::OwnerId;

use super::Instance;
use crate::lease::Lease;

/// The shortest pause between two looks where the store says that something is due and gives nothing.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

impl Instance {
    /// Claims until the session is lost; during a drain it only waits.
    pub(super) async fn keep_claiming(&self, lease: &Arc<Lease>, shutdown: &Shutdown) {
        tokio::select! {
            () = lease.ended() => {}
            () = self.claim_for_ever(lease, shutdown) => {}
            () = shutdown.draining() => lease.ended().await,
        }
    }

    async fn claim_for_ever(&self, lease: &Arc<Lease>, shutdown: &Shutdown) {
        loop {
            let pause = match self.claim_batch(lease, shutdown).await {
                Ok(Batch::Full) => continue,
                Ok(Batch::Rest) => self.until_next().await,
                Ok(Batch::NoRoom) => self.shared.config.poll_every,
                Err(error) => {
                    tracing::warn!(%error, "claiming failed; trying again");
                    self.shared.config.poll_every
                }
            };
            tokio::select! {
                () = self.look.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn claim_batch(&self, lease: &Arc<Lease>, shutdown: &Shutdown) -> holdfast_ports::Result<Batch> {
        let owners = self.owners();
        let wanted = owners.ids.len();
        if wanted == 0 {
            return Ok(Batch::NoRoom);
        }
        let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
        let claimed = self.shared.deps.leases.claim(lease.instance(), owners.ids.clone(), limit).await?;
        let full = claimed.len() >= wanted;
        for claimed in claimed {
            self.start(lease, shutdown.clone(), claimed, None);
        }
        Ok(if full { Batch::Full } else { Batch::Rest })
    }

    /// Owner ids for a batch, as many as there is room for.
    fn owners(&self) -> Claiming<'_> {
        let config = &self.shared.config;
        let mut state = self.state();
        let room = config.max_driven.saturating_sub(state.driven.len() + state.claiming.len());
        let batch = usize::try_from(config.claim_batch).unwrap_or(usize::MAX).min(room);
        let ids: Vec<OwnerId> = std::iter::repeat_with(|| self.shared.deps.ids.owner()).take(batch).collect();
        state.claiming.extend(&ids);
        Claiming { instance: self, ids }
    }

    /// How long until a task that nobody holds wants to be driven; at most one interval of polling.
    async fn until_next(&self) -> Duration {
        let longest = self.shared.config.poll_every;
        match self.shared.deps.leases.next_wake().await {
            Ok(Some(at)) => {
                at.since(self.shared.deps.clock.now()).clamp(SHORTEST_PAUSE.min(longest), longest)
            }
            Ok(None) | Err(_) => longest,
        }
    }
}

/// What became of a batch.
enum Batch {
    /// It was full: there may be more.
    Full,
    /// There is no more for now.
    Rest,
    /// As many tasks are driven as may be.
    NoRoom,
}

/// Owner ids of a claim under way.
struct Claiming<'a> {
    instance: &'a Instance,
    ids: Vec<OwnerId>,
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        let mut state = self.instance.state();
        for id in &self.ids {
            state.claiming.remove(id);
        }
    }
}
