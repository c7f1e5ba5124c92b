//! The key table for callers other than a task's append. Rules: [`crate::rules::keys`].

pub(super) mod verbs;
pub(super) mod write;

use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Durability, Error, KeyAnswer, Keys, Result};
use holdfast_types::key::{Holder, Key, KeyRow, LateEvidence};
use holdfast_types::{Failure, Payload};
use sqlx::AssertSqlSafe;
use tokio::time::Instant;

use super::PostgresStore;
use super::failed::Bounded;
use super::rows::{self, KEY};
use crate::packed;
use crate::rules::keys::is_settled;
use verbs::{BeginKey, Forget, Prune, Settle, Verb};

#[async_trait]
impl Keys for PostgresStore {
    fn durability(&self) -> Durability {
        Durability::Index
    }

    async fn begin(&self, begin: Begin) -> Result<BeginAnswer> {
        self.write(BeginKey(begin)).await
    }

    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer> {
        self.settle(key, Verb::Extend { token, lease }).await
    }

    async fn complete(
        &self,
        key: &Key,
        token: u64,
        result: Payload,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        self.settle(key, Verb::Complete { token, result, retention }).await
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        self.settle(key, Verb::Release { token }).await
    }

    async fn fail_final(
        &self,
        key: &Key,
        token: u64,
        failure: Failure,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        self.settle(key, Verb::FailFinal { token, failure, retention }).await
    }

    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer> {
        self.settle(key, Verb::OfferEvidence { holder: holder.clone(), result }).await
    }

    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        let Some(row) = self.key_row(key).await? else { return Ok(None) };
        let evidence = sqlx::query("SELECT token, at, result FROM key_evidence WHERE key = $1 ORDER BY no")
            .bind(key.as_str())
            .fetch_all(self.pool())
            .bounded(self.silence(), "keys")
            .await?;
        let late = |row| {
            Ok(LateEvidence {
                token: rows::number(row, 0)?,
                at: rows::time(row, 1)?,
                result: rows::json(row, 2)?,
            })
        };
        Ok(Some((row, evidence.iter().map(late).collect::<Result<_>>()?)))
    }

    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>> {
        let end = Instant::now() + wait;
        let mut news = self.inner.notices.keys.subscribe(key.clone());
        loop {
            news.rearm();
            let row = self.key_row(key).await?;
            let waits = row.as_ref().is_some_and(|row| !row.is_free() && !is_settled(&row.state));
            let left = end.saturating_duration_since(Instant::now());
            if !waits || left.is_zero() {
                return Ok(row);
            }
            news.wait(left.min(self.inner.config.poll)).await;
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {KEY} FROM keys k WHERE k.key >= $1 AND k.key < $2 AND k.key > $3 \
             AND (k.attempts > 0 OR k.generation > 1) ORDER BY k.key LIMIT $4"
        )))
        .bind(prefix)
        // Keys are printable: none begins with the prefix and goes on with the last code point.
        .bind(format!("{prefix}\u{10ffff}"))
        .bind(after.map_or("", Key::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .bounded(self.silence(), "keys")
        .await?;
        let now = self.now().await?;
        let seen = |row| Ok(packed::key(rows::text(row, 0)?)?.seen(now).visible());
        rows.iter().filter_map(|row| seen(row).transpose()).collect()
    }

    async fn forget(&self, key: &Key) -> Result<KeyAnswer> {
        self.write(Forget(key.clone())).await
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        self.write(Prune(limit)).await
    }
}

impl PostgresStore {
    async fn settle(&self, key: &Key, verb: Verb) -> Result<KeyAnswer> {
        self.write(Settle { key: key.clone(), verb }).await
    }

    async fn key_row(&self, key: &Key) -> Result<Option<KeyRow>, Error> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {KEY} FROM keys k WHERE k.key = $1")))
            .bind(key.as_str())
            .fetch_optional(self.pool())
            .bounded(self.silence(), "keys")
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(packed::key(rows::text(&row, 0)?)?.seen(self.now().await?).visible())
    }
}
