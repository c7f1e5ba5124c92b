//! Writes rows of the key table, and the evidence kept on them.

use holdfast_types::Payload;
use holdfast_types::key::KeyState;
use sqlx::AssertSqlSafe;

use crate::rules::keys::{Entry, Evidence};
use crate::sqlite::rows::{self, integer};
use crate::sqlite::values::{Cell, Statement, Values};
use crate::sqlite::writer::Tx;

/// So much late evidence is kept on a key: the newest. More than one attempt's is rare, and an alarm already.
const MOST_EVIDENCE: i64 = 16;

/// Inserts or replaces rows: what stands before and after their values.
pub(in crate::sqlite) const PUT: (&str, &str) = (
    "INSERT INTO keys (key, generation, holder_task, holder_name, first_task, first_name, epoch, token, attempts, \
     fingerprint, state, detail, lease_until, since, changed_at, keep_until, answered, pinned, blob) \
     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
     column12, column13, column14, column15, column16, column17, column18, \
     (SELECT no FROM blobs WHERE sha256 = column19) FROM ",
    " WHERE column1 IS NOT NULL ON CONFLICT (key) DO UPDATE SET generation = excluded.generation, \
     holder_task = excluded.holder_task, holder_name = excluded.holder_name, first_task = excluded.first_task, \
     first_name = excluded.first_name, epoch = excluded.epoch, token = excluded.token, \
     attempts = excluded.attempts, fingerprint = excluded.fingerprint, state = excluded.state, \
     detail = excluded.detail, lease_until = excluded.lease_until, since = excluded.since, \
     changed_at = excluded.changed_at, keep_until = excluded.keep_until, answered = excluded.answered, \
     pinned = excluded.pinned, blob = excluded.blob;",
);

/// Inserts or replaces one row.
pub(in crate::sqlite) async fn put(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), sqlx::Error> {
    let mut values = Values::new();
    values.push(cells(entry));
    let mut statement = Statement::default();
    values.write(&mut statement, PUT, 1);
    sqlx::query_with(AssertSqlSafe(statement.text), statement.arguments).execute(tx.open().await?).await?;
    Ok(())
}

/// The columns of a row.
pub(in crate::sqlite) fn cells(entry: &Entry) -> [Cell; 19] {
    let row = &entry.row;
    let (holder_task, holder_name) = rows::holder(&row.holder);
    let (first_task, first_name) = rows::holder(&entry.first);
    let blob = match &row.state {
        KeyState::Done { result } => blob_of(result),
        _ => None,
    };
    [
        row.key.as_str().into(),
        i64::from(row.generation).into(),
        holder_task.into(),
        holder_name.into(),
        first_task.into(),
        first_name.into(),
        integer(row.epoch).into(),
        integer(row.token).into(),
        i64::from(row.attempts).into(),
        row.fingerprint.as_str().into(),
        row.state.name().into(),
        rows::key_detail(&row.state).into(),
        row.lease_until.map(|at| at.micros()).into(),
        row.since.micros().into(),
        row.changed_at.micros().into(),
        row.keep_until.map(|at| at.micros()).into(),
        i64::from(row.answered).into(),
        i64::from(entry.pinned).into(),
        blob.into(),
    ]
}

fn blob_of(payload: &Payload) -> Option<Vec<u8>> {
    payload.as_blob().and_then(|blob| rows::sha256(&blob.sha256))
}

/// Keeps a result that came too late; the same one once.
pub(in crate::sqlite) async fn put_evidence(tx: &mut Tx<'_>, evidence: &Evidence) -> Result<(), sqlx::Error> {
    let connection = tx.open().await?;
    sqlx::query(
        "INSERT INTO key_evidence (key, token, at, result, blob) \
         SELECT ?1, ?2, ?3, ?4, (SELECT no FROM blobs WHERE sha256 = ?5) WHERE NOT EXISTS \
         (SELECT 1 FROM key_evidence WHERE key = ?1 AND token = ?2 AND result = ?4)",
    )
    .bind(evidence.key.as_str())
    .bind(integer(evidence.late.token))
    .bind(evidence.late.at.micros())
    .bind(rows::payload(&evidence.late.result))
    .bind(blob_of(&evidence.late.result))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM key_evidence WHERE key = ?1 AND no NOT IN \
         (SELECT no FROM key_evidence WHERE key = ?1 ORDER BY no DESC LIMIT ?2)",
    )
    .bind(evidence.key.as_str())
    .bind(MOST_EVIDENCE)
    .execute(connection)
    .await?;
    Ok(())
}
