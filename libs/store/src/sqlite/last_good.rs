//! Last good results: written with the append of their outcome, read by fallbacks, removed when their time is over.

use holdfast_ports::Result;
use holdfast_types::TaskId;
use holdfast_types::last_good::{LastGood, LastGoodKey, NewLastGood};
use holdfast_types::worker::CallRef;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::failed::Context;
use super::rows;
use super::writer::Tx;

/// Inserts a result, or replaces an older one. It is kept as long as the longest that was asked of its key.
const PUT: &str = "INSERT INTO last_good \
     (namespace, tool, fingerprint, task, call, at, keep_until, result, blob) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT no FROM blobs WHERE sha256 = ?9) WHERE true \
     ON CONFLICT (namespace, tool, fingerprint) DO UPDATE SET task = excluded.task, call = excluded.call, \
     at = excluded.at, \
     keep_until = max(excluded.keep_until, excluded.at + last_good.keep_until - last_good.at), \
     result = excluded.result, blob = excluded.blob WHERE excluded.at >= last_good.at";

/// Writes a result of a task's call.
pub(super) async fn put(tx: &mut Tx<'_>, task: TaskId, good: &NewLastGood) -> Result<(), sqlx::Error> {
    sqlx::query(PUT)
        .bind(good.key.namespace.as_str())
        .bind(good.key.tool.as_str())
        .bind(&good.key.fingerprint)
        .bind(task.bytes().as_slice())
        .bind(good.call.to_string())
        .bind(good.at.micros())
        .bind(good.at.after(good.keep_for).micros())
        .bind(rows::payload(&good.result))
        .bind(good.result.as_blob().and_then(|blob| rows::sha256(&blob.sha256)))
        .execute(tx.open().await?)
        .await?;
    Ok(())
}

/// Removes what nobody may ask for any more; at most `limit`.
pub(super) async fn prune(
    connection: &mut SqliteConnection,
    now: holdfast_types::Timestamp,
    limit: u32,
) -> Result<u32, sqlx::Error> {
    let gone = sqlx::query(
        "DELETE FROM last_good WHERE no IN \
         (SELECT no FROM last_good WHERE keep_until <= ? ORDER BY keep_until LIMIT ?)",
    )
    .bind(now.micros())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX))
}

impl SqliteStore {
    /// Reads the newest result under a key, while its time runs.
    pub(super) async fn read_last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        let row = sqlx::query(
            "SELECT task, call, at, result FROM last_good \
             WHERE namespace = ? AND tool = ? AND fingerprint = ? AND keep_until > ?",
        )
        .bind(key.namespace.as_str())
        .bind(key.tool.as_str())
        .bind(&key.fingerprint)
        .bind(self.now().micros())
        .fetch_optional(self.readers())
        .await
        .of("last_good")?;
        let Some(row) = row else { return Ok(None) };
        let call = rows::text(&row, 1)?
            .parse()
            .map_err(|_| rows::corrupt("a last good result", "its call is no call's name"))?;
        Ok(Some(LastGood {
            from: CallRef { task: rows::task_id(&row, 0)?, call },
            at: rows::time(&row, 2)?,
            result: rows::json(&row, 3)?,
        }))
    }
}
