//! The verbs as transactions: lock the row, ask the rules, write what they leave.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Error, KeyAnswer};
use holdfast_types::key::{Holder, Key, KeyState};
use holdfast_types::{Failure, Payload};
use sqlx::{AssertSqlSafe, PgConnection};

use super::write::{self, KeyColumns};
use crate::packed;
use crate::postgres::blobs;
use crate::postgres::failed::Failed;
use crate::postgres::last_good;
use crate::postgres::rows::{self, KEY};
use crate::postgres::tx::{Tx, Write};
use crate::rules::keys::{self as rules, Entry, Forgetting, Verdict};

/// Locks a key's row.
async fn entry(connection: &mut PgConnection, key: &Key) -> Result<Option<Entry>, Failed> {
    let row =
        sqlx::query(AssertSqlSafe(format!("SELECT {KEY} FROM keys k WHERE k.key = $1 FOR NO KEY UPDATE")))
            .bind(key.as_str())
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(packed::key(rows::text(&row, 0)?)?))
}

/// Writes what a verdict leaves, and returns its answer.
async fn obey<A>(tx: &mut Tx<'_>, stored: bool, verdict: Verdict<A>) -> Result<A, Failed> {
    if let Some(entry) = &verdict.put {
        if let KeyState::Done { result } = &entry.row.state {
            blobs::require(&mut *tx.connection, result).await?;
        }
        let columns = KeyColumns::of([entry]);
        if stored {
            write::update(tx, &columns).await?;
        } else {
            write::insert(tx, &columns).await?;
        }
        tx.news.keys.push(entry.row.key.clone());
    }
    if let Some(evidence) = &verdict.evidence {
        blobs::require(&mut *tx.connection, &evidence.late.result).await?;
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
        let entry = entry(&mut *tx.connection, &self.0.key).await?;
        // The row may have been waited for.
        tx.read_clock().await?;
        let stored = entry.is_some();
        let verdict = rules::begin(entry, &self.0, tx.now)?;
        obey(tx, stored, verdict).await
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
        let entry = entry(&mut *tx.connection, &self.key).await?;
        tx.read_clock().await?;
        let (now, stored) = (tx.now, entry.is_some());
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
        obey(tx, stored, verdict).await
    }
}

/// Removes a key, with the evidence on it.
pub(super) struct Forget(pub(super) Key);

#[async_trait]
impl Write for Forget {
    type Answer = KeyAnswer;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<KeyAnswer, Failed> {
        let entry = entry(&mut *tx.connection, &self.0).await?;
        match rules::forget(entry.as_ref()) {
            Forgetting::NotFound => return Ok(KeyAnswer::NotFound),
            Forgetting::Held(holder) => {
                let why = format!("the key is open for {holder}, whose driver settles it");
                return Err(Error::Stale { why }.into());
            }
            Forgetting::Go => {}
        }
        sqlx::query("DELETE FROM keys WHERE key = $1")
            .bind(self.0.as_str())
            .execute(&mut *tx.connection)
            .await?;
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
        let rows = sqlx::query(DUE)
            .bind(now.micros())
            .bind(i64::from(self.0))
            .fetch_all(&mut *tx.connection)
            .await?;
        let due =
            rows.iter().map(|row| Ok(rows::text(row, 0)?.to_owned())).collect::<Result<Vec<_>, Error>>()?;
        sqlx::query(PROLONG).bind(another_term.micros()).bind(&due).execute(&mut *tx.connection).await?;
        let gone = sqlx::query(REMOVE).bind(now.micros()).bind(due).execute(&mut *tx.connection).await?;
        let last_good = last_good::prune(tx, self.0).await?;
        Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX).saturating_add(last_good))
    }
}

/// Locks the rows that have been kept longest, but for those that somebody is using.
pub(in crate::postgres) const DUE: &str = "SELECT key FROM keys WHERE keep_until IS NOT NULL AND keep_until <= $1 \
     ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED";

/// Those of a living task are kept for another term.
pub(in crate::postgres) const PROLONG: &str = "UPDATE keys SET keep_until = $1 WHERE key = ANY($2::text[]) \
     AND pinned AND EXISTS (SELECT 1 FROM tasks WHERE tasks.id = keys.holder_task)";

/// What was not prolonged.
pub(in crate::postgres) const REMOVE: &str =
    "DELETE FROM keys WHERE key = ANY($2::text[]) AND keep_until <= $1";
