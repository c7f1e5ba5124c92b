//! The session: opened, renewed, and given up by its holder before another may take its tasks (DESIGN 4.2 and 4.3).

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::Renewed;
use holdfast_rpc::server::Readiness;
use holdfast_runtime::Shutdown;
use holdfast_types::InstanceId;
use holdfast_types::restore::Restore;
use tokio::time::Instant;

use super::Instance;
use crate::error::Error;
use crate::lease::Lease;

/// The first and the longest pause between two tries to open or renew.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Instance {
    /// Opens a session and keeps it; opens another when it is lost. Ends only by a failure for good.
    pub(super) async fn keep_session(&self, shutdown: &Shutdown) -> Result<(), Error> {
        loop {
            let lease = Arc::new(self.open(shutdown).await?);
            tracing::info!(instance = %lease.instance(), "session is open");
            self.state().lease = Some(Arc::clone(&lease));
            self.readiness.send_replace(Readiness::Ready);
            tokio::select! {
                () = self.renew(&lease) => {}
                () = self.keep_claiming(&lease, shutdown) => {}
            }
            tracing::warn!(instance = %lease.instance(), "session is lost; its tasks are stopped here");
            self.shared.deps.metrics.lease_loss();
            self.readiness.send_replace(Readiness::NotReady);
            self.state().lease = None;
            lease.end();
        }
    }

    async fn open(&self, shutdown: &Shutdown) -> Result<Lease, Error> {
        let deps = &self.shared.deps;
        // One id for the life of the process: a session that is lost while it lives counts against no task.
        let instance = self.id;
        let mut pause = PAUSES.0;
        loop {
            let sent = deps.clock.boot();
            match self.opened(instance).await {
                Ok((length, instances, restores)) => {
                    self.shared.places.share_among(instances);
                    let margin = self.shared.config.lease_margin;
                    let (clock, shutdown) = (Arc::clone(&deps.clock), shutdown.clone());
                    return Ok(Lease::new(instance, clock, margin, sent, length, shutdown).knowing(restores));
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "session is not opened; trying again");
                    self.readiness.send_replace(Readiness::NotReady);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(error) => return Err(Error::Session(error)),
            }
        }
    }

    /// Opens a session, and reads what restores were marked before it was open: as long as it lives none is marked.
    async fn opened(&self, instance: InstanceId) -> holdfast_ports::Result<(Duration, u32, Vec<Restore>)> {
        let leases = &self.shared.deps.leases;
        let session = leases.open(instance).await?;
        Ok((session.lease, session.instances, leases.restores().await?))
    }

    /// Renews the lease until it is lost: one failure does not end the renewing, the lease's end does.
    async fn renew(&self, lease: &Arc<Lease>) {
        let mut next = Instant::now() + self.shared.config.renew_every;
        loop {
            tokio::select! {
                () = tokio::time::sleep(lease.left()) => {
                    if !lease.holds() {
                        return;
                    }
                }
                renewed = self.renew_at(next, lease) => match renewed {
                    Ok(true) => next = Instant::now() + self.shared.config.renew_every,
                    Ok(false) => return,
                    Err(error) => {
                        tracing::warn!(%error, "lease is not renewed; trying again");
                        next = Instant::now() + PAUSES.0;
                    }
                },
            }
        }
    }

    async fn renew_at(&self, at: Instant, lease: &Arc<Lease>) -> holdfast_ports::Result<bool> {
        tokio::time::sleep_until(at).await;
        let deps = &self.shared.deps;
        let sent = deps.clock.boot();
        let before = self.owned(lease);
        let answer = deps.leases.renew(before.renewal()).await?;
        let session = match answer {
            Renewed::Ok(session) => session,
            Renewed::Ended => return Ok(false),
            Renewed::Differs { session, claims } => {
                self.reconcile(&before, claims);
                session
            }
        };
        lease.renewed(sent, session.lease);
        // What is limited over the cluster is shared by those who have a session.
        self.shared.places.share_among(session.instances);
        Ok(true)
    }

    /// Ends the session, if nothing is driven under it any more: its claims would be free at once.
    pub(super) async fn close(&self) {
        let Some(lease) = self.state().lease.take() else { return };
        lease.end();
        if let Err(error) = self.shared.deps.leases.close(lease.instance()).await {
            tracing::warn!(%error, "session is not closed; it ends with its lease");
        }
    }
}
