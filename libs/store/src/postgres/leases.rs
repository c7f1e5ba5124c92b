//! Sessions and claims as their port says; the transactions are in `sessions` and `claims`.

use async_trait::async_trait;
use holdfast_ports::{Leases, Renewal, Renewed, Result, Session};
use holdfast_types::journal::Claimed;
use holdfast_types::restore::{MarkRestored, Marked, Restore};
use holdfast_types::{InstanceId, OwnerId, TaskId, Timestamp};
use sqlx::AssertSqlSafe;

use super::claims::{self, ClaimMany, ClaimOne, Release, WANTS};
use super::failed::Bounded;
use super::restores::Mark;
use super::sessions::{Close, EndSilent, Open, Renew};
use super::{PostgresStore, rows};
use crate::plain::first_half;

/// Claims so many tasks at most in one transaction, so that nobody waits long behind it.
const MOST: usize = 500;

/// The earliest wake-up, and whether a dead session has tasks that want a driver. The inner limit has it look at the
/// sessions first: from the other side it would read every task that is driven.
pub(super) fn next_wake_text() -> String {
    format!(
        "SELECT (SELECT wake_at FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1), \
         EXISTS (SELECT 1 FROM sessions s CROSS JOIN LATERAL (SELECT 1 FROM tasks t WHERE t.instance = s.instance \
         AND t.owner IS NOT NULL AND {WANTS} LIMIT 1) AS lost WHERE s.until <= $1)"
    )
}

#[async_trait]
impl Leases for PostgresStore {
    async fn open(&self, instance: InstanceId) -> Result<Session> {
        self.write(Open(instance)).await
    }

    async fn renew(&self, renewal: Renewal) -> Result<Renewed> {
        let Some(session) = self.write(Renew(renewal.instance)).await? else { return Ok(Renewed::Ended) };
        // Compared after the renewal: an instance may drive many tasks.
        let claims = self.claims(renewal.instance).await?;
        let digest = claims.iter().fold(0, |digest, claim| digest ^ first_half(claim.owner));
        if claims.len() as u64 == renewal.driving && digest == renewal.digest {
            return Ok(Renewed::Ok(session));
        }
        Ok(Renewed::Differs { session, claims })
    }

    async fn close(&self, instance: InstanceId) -> Result<()> {
        self.write(Close(instance)).await
    }

    async fn end_if_silent_since(&self, instance: InstanceId, since: Timestamp) -> Result<bool> {
        self.write(EndSilent { instance, since }).await
    }

    async fn claim(
        &self,
        instance: InstanceId,
        mut owners: Vec<OwnerId>,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        owners.truncate(usize::try_from(limit).unwrap_or(MOST).min(MOST));
        let last = self.inner.turns.last();
        let (claims, had) = self.write(ClaimMany { instance, owners, last }).await?;
        self.inner.turns.had(had);
        Ok(claims)
    }

    async fn claim_one(&self, instance: InstanceId, owner: OwnerId, task: TaskId) -> Result<Option<Claimed>> {
        self.write(ClaimOne { instance, owner, task }).await
    }

    async fn release(&self, task: TaskId, epoch: u64, owner: OwnerId) -> Result<()> {
        self.write(Release { task, epoch, owner }).await
    }

    async fn mark_restored(&self, mark: MarkRestored) -> Result<Marked> {
        self.write(Mark(mark)).await
    }

    async fn restores(&self) -> Result<Vec<Restore>> {
        self.marks().await
    }

    async fn next_wake(&self) -> Result<Option<Timestamp>> {
        let now = self.now().await?;
        let row = sqlx::query(AssertSqlSafe(next_wake_text()))
            .bind(now.micros())
            .fetch_one(self.pool())
            .bounded(self.silence(), "next wake")
            .await?;
        let waiting = rows::opt_time(&row, 0)?;
        // Tasks of a dead session want to be driven now.
        let lost = rows::flag(&row, 1)?.then_some(now);
        Ok([waiting, lost].into_iter().flatten().min())
    }
}

impl PostgresStore {
    async fn claims(&self, instance: InstanceId) -> Result<Vec<Claimed>> {
        let rows = sqlx::query(AssertSqlSafe(claims::of_instance_text()))
            .bind(instance.bytes().as_slice())
            .fetch_all(self.pool())
            .bounded(self.silence(), "claims")
            .await?;
        rows.iter().filter_map(|row| claims::held(row).transpose()).collect()
    }
}
