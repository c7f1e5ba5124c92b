//! Keeps the drivers: starts them, and gives back what one leaves that ends without a word.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_runtime::{Shutdown, Stage};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::{Instance, Start};
use crate::driver::{self, Claim, Ended};

type Drivers = JoinSet<Ended>;

impl Instance {
    /// Runs drivers until everything is given back after a drain, or the drain takes too long.
    pub(super) async fn keep_drivers(&self, starts: &mut mpsc::Receiver<Start>, shutdown: &Shutdown) {
        let mut drivers = Drivers::new();
        let mut claims: HashMap<Id, Claim> = HashMap::new();
        let mut releases = JoinSet::new();
        let mut drain_ends = None;
        loop {
            tokio::select! {
                Some(start) = starts.recv() => {
                    let claim = start.life.claim;
                    let handle = drivers.spawn(self.drive(start));
                    claims.insert(handle.id(), claim);
                }
                Some(joined) = drivers.join_next_with_id() => {
                    if let Some((claim, ended)) = taken(&mut claims, joined) {
                        self.ended(claim, ended, &mut releases);
                    }
                }
                Some(_) = releases.join_next() => self.look.notify_one(),
                () = shutdown.draining(), if drain_ends.is_none() => {
                    drain_ends = Some(Instant::now() + self.shared.config.drain);
                    tracing::info!(driving = drivers.len(), "giving tasks back");
                }
                () = sleep_until(drain_ends) => {
                    tracing::warn!(left = drivers.len(), "tasks are not given back in time; their session ends");
                    return;
                }
                () = shutdown.aborting() => return,
            }
            let done = drivers.is_empty() && releases.is_empty() && starts.is_empty();
            if shutdown.stage() >= Stage::Draining && drain_ends.is_some() && done {
                return;
            }
        }
    }

    fn drive(&self, start: Start) -> impl Future<Output = Ended> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let Start { lease, control, life, barren_lives } = start;
        let failures = self.state().failures.get(&life.claim.task).copied().unwrap_or(0);
        async move {
            let _driven = shared.deps.metrics.task_driven();
            let barren = barren_lives.max(failures);
            if barren >= shared.config.poison_lives {
                let task_id = life.claim.task;
                tracing::error!(%task_id, barren_lives = barren, "task kills its drivers; set aside");
                control.gives_back.store(true, Ordering::Release);
                return match driver::quarantine(&shared, life.claim, barren).await {
                    Ok(()) => Ended::GaveBack,
                    Err(error) => Ended::Failed(error),
                };
            }
            driver::begin(shared, lease, control, life).await
        }
    }

    fn ended(&self, claim: Claim, ended: Result<Ended, JoinError>, releases: &mut JoinSet<()>) {
        let task_id = claim.task;
        if self.has_progressed(claim) {
            self.state().failures.remove(&task_id);
        }
        self.forget(claim);
        match ended {
            Ok(Ended::GaveBack) => {
                self.state().failures.remove(&task_id);
            }
            Ok(Ended::Lost) => {}
            Ok(Ended::Reload) => self.release_in(claim, 0, releases),
            Ok(Ended::Failed(error)) if error.is_transient() => {
                tracing::warn!(%task_id, error = &error as &dyn std::error::Error, "store is away; trying again");
                self.release_in(claim, 1, releases);
            }
            Ok(Ended::Failed(error)) => {
                tracing::error!(%task_id, error = &error as &dyn std::error::Error, "driver can't go on");
                if error.is_newer() {
                    self.defer_in(claim, releases);
                } else {
                    self.release_in(claim, self.failed(claim), releases);
                }
            }
            Err(panicked) => {
                tracing::error!(%task_id, error = %panicked, "driver died");
                self.release_in(claim, self.failed(claim), releases);
            }
        }
    }

    /// Says whether the driver of a claim has recorded an outcome.
    fn has_progressed(&self, claim: Claim) -> bool {
        let state = self.state();
        let driven = state.driven.get(&claim.task).filter(|driven| driven.claim.owner == claim.owner);
        driven.is_some_and(|driven| driven.control.progressed.load(Ordering::Acquire))
    }

    fn failed(&self, claim: Claim) -> u32 {
        let mut state = self.state();
        let failures = state.failures.entry(claim.task).or_default();
        *failures = failures.saturating_add(1);
        *failures
    }
}

fn taken(
    claims: &mut HashMap<Id, Claim>,
    joined: Result<(Id, Ended), JoinError>,
) -> Option<(Claim, Result<Ended, JoinError>)> {
    match joined {
        Ok((id, ended)) => claims.remove(&id).map(|claim| (claim, Ok(ended))),
        Err(error) => claims.remove(&error.id()).map(|claim| (claim, Err(error))),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
