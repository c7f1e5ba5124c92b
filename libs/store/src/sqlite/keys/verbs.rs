//! The verbs as transactions: read the row, ask the rules, write what they leave.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Error, KeyAnswer};
use holdfast_types::key::{Holder, Key, KeyState};
use holdfast_types::{Failure, Payload};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::write;
use crate::rules::keys::{self as rules, Entry, Forgetting, Verdict};
use crate::sqlite::blobs;
use crate::sqlite::failed::Failed;
use crate::sqlite::last_good;
use crate::sqlite::packed::{self, KEY};
use crate::sqlite::rows;
use crate::sqlite::writer::{Tx, Write};

async fn entry(connection: &mut SqliteConnection, key: &Key) -> Result<Option<Entry>, Failed> {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {KEY} FROM keys WHERE key = ?")))
        .bind(key.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(packed::key(rows::text(&row, 0)?)?))
}

/// Writes what a verdict leaves, and returns its answer.
async fn obey<A>(tx: &mut Tx<'_>, verdict: Verdict<A>) -> Result<A, Failed> {
    if let Some(entry) = &verdict.put {
        if let KeyState::Done { result } = &entry.row.state {
            blobs::require(tx.open().await?, result).await?;
        }
        write::put(tx, entry).await?;
        tx.news.keys.push(entry.row.key.clone());
    }
    if let Some(evidence) = &verdict.evidence {
        blobs::require(tx.open().await?, &evidence.late.result).await?;
        write::put_evidence(tx, evidence).await?;
    }
    Ok(verdict.answer)
}

/// Asks for the right to run an operation.
pub(super) struct BeginKey(pub(super) Begin);

#[async_trait]
impl Write for BeginKey {
    type Answer = BeginAnswer;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<BeginAnswer, Failed> {
        let entry = entry(tx.open().await?, &self.0.key).await?;
        let verdict = rules::begin(entry, &self.0, tx.now)?;
        obey(tx, verdict).await
    }
}

/// The verbs that need a token, or a holder.
pub(super) enum Verb {
    Extend { token: u64, lease: Duration },
    Complete { token: u64, result: Payload, retention: Duration },
    Release { token: u64 },
    FailFinal { token: u64, failure: Failure, retention: Duration },
    OfferEvidence { holder: Holder, result: Payload },
}

/// One of them on a key.
pub(super) struct Settle {
    pub(super) key: Key,
    pub(super) verb: Verb,
}

#[async_trait]
impl Write for Settle {
    type Answer = KeyAnswer;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<KeyAnswer, Failed> {
        let entry = entry(tx.open().await?, &self.key).await?;
        let now = tx.now;
        let verdict = match &self.verb {
            Verb::Extend { token, lease } => rules::extend(entry, *token, *lease, now),
            Verb::Complete { token, result, retention } => {
                rules::complete(entry, *token, result, *retention, now)
            }
            Verb::Release { token } => rules::release(entry, *token, now),
            Verb::FailFinal { token, failure, retention } => {
                rules::fail_final(entry, *token, failure, *retention, now)
            }
            Verb::OfferEvidence { holder, result } => rules::offer_evidence(entry, holder, result, now),
        };
        obey(tx, verdict).await
    }
}

/// Removes a key, with the evidence on it.
pub(super) struct Forget(pub(super) Key);

#[async_trait]
impl Write for Forget {
    type Answer = KeyAnswer;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<KeyAnswer, Failed> {
        let connection = tx.open().await?;
        let entry = entry(connection, &self.0).await?;
        match rules::forget(entry.as_ref()) {
            Forgetting::NotFound => return Ok(KeyAnswer::NotFound),
            Forgetting::Held(holder) => {
                let why = format!("the key is open for {holder}, whose driver settles it");
                return Err(Error::Stale { why }.into());
            }
            Forgetting::Go => {}
        }
        sqlx::query("DELETE FROM keys WHERE key = ?").bind(self.0.as_str()).execute(connection).await?;
        tx.news.keys.push(self.0.clone());
        Ok(KeyAnswer::Ok)
    }
}

/// Removes rows whose retention has passed. Those of a task that is still there get another term (PROTOCOL 6): so an
/// index by task, which every claim would have to write, is not needed.
pub(super) struct Prune(pub(super) u32);

#[async_trait]
impl Write for Prune {
    type Answer = u32;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<u32, Failed> {
        let now = tx.now;
        let another_term = now.after(tx.config.key_retention);
        let connection = tx.open().await?;
        sqlx::query(PROLONG)
            .bind(another_term.micros())
            .bind(now.micros())
            .bind(self.0)
            .execute(&mut *connection)
            .await?;
        let gone = sqlx::query(REMOVE).bind(now.micros()).bind(self.0).execute(&mut *connection).await?;
        let last_good = last_good::prune(connection, now, self.0).await?;
        Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX).saturating_add(last_good))
    }
}

/// Looks at as many rows as [`REMOVE`] does, the same ones.
pub(in crate::sqlite) const PROLONG: &str = "UPDATE keys SET keep_until = ?1 WHERE no IN (SELECT no FROM keys \
     WHERE keep_until IS NOT NULL AND keep_until <= ?2 ORDER BY keep_until LIMIT ?3) \
     AND pinned = 1 AND EXISTS (SELECT 1 FROM tasks WHERE tasks.id = keys.holder_task)";

/// What has passed and was not prolonged. A few of a living task may be among the next ones: they wait for their turn.
pub(in crate::sqlite) const REMOVE: &str = "DELETE FROM keys WHERE no IN (SELECT no FROM keys \
     WHERE keep_until IS NOT NULL AND keep_until <= ?1 ORDER BY keep_until LIMIT ?2) \
     AND NOT (pinned = 1 AND EXISTS (SELECT 1 FROM tasks WHERE tasks.id = keys.holder_task))";
