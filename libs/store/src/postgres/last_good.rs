//! Last good results: written with the append of their outcome, read by fallbacks, removed when their time is over.

use holdfast_ports::Result;
use holdfast_types::TaskId;
use holdfast_types::journal::Append;
use holdfast_types::last_good::{LastGood, LastGoodKey, NewLastGood};
use holdfast_types::worker::CallRef;

use super::PostgresStore;
use super::failed::{Bounded, Failed};
use super::rows;
use super::tx::Tx;

/// Inserts a result, or replaces an older one. It is kept as long as the longest that was asked of its key.
const PUT: &str = "INSERT INTO last_good \
     (namespace, tool, fingerprint, task, call, at, keep_until, result, blob) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
     ON CONFLICT (namespace, tool, fingerprint) DO UPDATE SET task = excluded.task, call = excluded.call, \
     at = excluded.at, \
     keep_until = greatest(excluded.keep_until, excluded.at + last_good.keep_until - last_good.at), \
     result = excluded.result, blob = excluded.blob WHERE excluded.at >= last_good.at";

/// Writes the results of a group of appends; all replicas in one order, so that none waits for another in a circle.
pub(super) async fn put(tx: &mut Tx<'_>, written: &[(&Append, u64)]) -> Result<(), Failed> {
    let each = |append: &'_ Append| -> Vec<(TaskId, NewLastGood)> {
        append.last_good.iter().map(|good| (append.task, good.clone())).collect()
    };
    let mut goods: Vec<(TaskId, NewLastGood)> = written.iter().flat_map(|(append, _)| each(append)).collect();
    let place = |key: &LastGoodKey| {
        (key.namespace.as_str().to_owned(), key.tool.as_str().to_owned(), key.fingerprint.clone())
    };
    goods.sort_by_cached_key(|(_, good)| (place(&good.key), good.at));
    for (task, good) in goods {
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
            .execute(&mut *tx.connection)
            .await?;
    }
    Ok(())
}

/// Removes what nobody may ask for any more; at most `limit`.
pub(super) async fn prune(tx: &mut Tx<'_>, limit: u32) -> Result<u32, Failed> {
    let gone = sqlx::query(
        "DELETE FROM last_good g USING (SELECT namespace, tool, fingerprint FROM last_good WHERE keep_until <= $1 \
         ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED) AS v \
         WHERE g.namespace = v.namespace AND g.tool = v.tool AND g.fingerprint = v.fingerprint",
    )
    .bind(tx.now.micros())
    .bind(i64::from(limit))
    .execute(&mut *tx.connection)
    .await?;
    Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX))
}

impl PostgresStore {
    /// Reads the newest result under a key, while its time runs.
    pub(super) async fn read_last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        let row = sqlx::query(
            "SELECT task, call, at, result FROM last_good \
             WHERE namespace = $1 AND tool = $2 AND fingerprint = $3 AND keep_until > $4",
        )
        .bind(key.namespace.as_str())
        .bind(key.tool.as_str())
        .bind(&key.fingerprint)
        .bind(self.now().await?.micros())
        .fetch_optional(self.pool())
        .bounded(self.silence(), "last_good")
        .await?;
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
