//! Sessions and claims as their port says; the transactions are in `sessions` and `claims`.

use async_trait::async_trait;
use holdfast_ports::{Leases, Renewal, Renewed, Result, Session};
use holdfast_types::journal::Claimed;
use holdfast_types::restore::{MarkRestored, Marked, Restore};
use holdfast_types::{InstanceId, OwnerId, TaskId, Timestamp};
use sqlx::AssertSqlSafe;

use super::claims::{self, ClaimMany, ClaimOne, Release, WANTS};
use super::failed::Context;
use super::restores::Mark;
use super::sessions::{Close, EndSilent, Open, Renew};
use super::{SqliteStore, rows};
use crate::plain::first_half;

/// Claims so many tasks at most in one transaction, so that nobody waits long behind it.
const MOST: usize = 500;

/// The earliest wake-up, and whether a dead session has tasks that want a driver.
pub(super) fn next_wake_text() -> String {
    format!(
        "SELECT (SELECT wake_at FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1), \
         EXISTS (SELECT 1 FROM sessions s CROSS JOIN tasks t ON t.instance = s.instance \
         AND t.owner IS NOT NULL WHERE s.until <= ? AND {WANTS})"
    )
}

#[async_trait]
impl Leases for SqliteStore {
    async fn open(&self, instance: InstanceId) -> Result<Session> {
        self.write(Open(instance)).await
    }

    async fn renew(&self, renewal: Renewal) -> Result<Renewed> {
        let Some(session) = self.write(Renew(renewal.instance)).await? else { return Ok(Renewed::Ended) };
        // Compared beside the writer: an instance may drive many tasks.
        let claims = self.claims(renewal.instance).await?;
        let digest = claims.iter().fold(0, |digest, claim| digest ^ first_half(claim.owner));
        if claims.len() as u64 == renewal.driving && digest == renewal.digest {
            return Ok(Renewed::Ok(session));
        }
        Ok(Renewed::Differs { session, claims })
    }

    async fn close(&self, instance: InstanceId) -> Result<()> {
        self.write(Close::One(instance)).await.map(drop)
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
        let row = sqlx::query(AssertSqlSafe(next_wake_text()))
            .bind(self.now().micros())
            .fetch_one(self.readers())
            .await
            .of("next wake")?;
        let waiting = rows::opt_time(&row, 0)?;
        // Tasks of a dead session want to be driven now.
        let lost = (rows::number::<u8>(&row, 1)? == 1).then(|| self.now());
        Ok([waiting, lost].into_iter().flatten().min())
    }
}

impl SqliteStore {
    /// Ends all sessions: for whoever has just taken the data folder's lock, which proves their processes dead.
    /// Their tasks are free at once. Returns how many sessions there were.
    ///
    /// # Errors
    /// `Unavailable` where the database can't be written.
    pub async fn close_former_sessions(&self) -> Result<u64> {
        self.write(Close::All).await
    }

    async fn claims(&self, instance: InstanceId) -> Result<Vec<Claimed>> {
        let rows = sqlx::query(AssertSqlSafe(claims::of_instance_text()))
            .bind(instance.bytes().as_slice())
            .fetch_all(self.readers())
            .await
            .of("claims")?;
        rows.iter().filter_map(|row| claims::held(row).transpose()).collect()
    }
}
