//! Writes rows of the key table, and the evidence kept on them.

use holdfast_types::Payload;
use holdfast_types::key::KeyState;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

use crate::postgres::failed::Failed;
use crate::postgres::rows::{self, integer};
use crate::postgres::tx::Tx;
use crate::rules::keys::{Entry, Evidence};

/// So much late evidence is kept on a key: the newest. More than one attempt's is rare, and an alarm already.
const MOST_EVIDENCE: i64 = 16;

const COLUMNS: &str = "key, generation, holder_task, holder_name, first_task, first_name, epoch, token, attempts, \
     fingerprint, state, detail, lease_until, since, changed_at, keep_until, answered, pinned, blob";

const ARRAYS: &str = "unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[], $5::bytea[], $6::text[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], \
     $15::bigint[], $16::bigint[], $17::bigint[], $18::boolean[], $19::bytea[])";

/// Rows as columns, in the order in which they are written.
#[derive(Default)]
pub(in crate::postgres) struct KeyColumns {
    key: Vec<String>,
    generation: Vec<i64>,
    holder_task: Vec<Option<Vec<u8>>>,
    holder_name: Vec<String>,
    first_task: Vec<Option<Vec<u8>>>,
    first_name: Vec<String>,
    epoch: Vec<i64>,
    token: Vec<i64>,
    attempts: Vec<i64>,
    fingerprint: Vec<String>,
    state: Vec<&'static str>,
    detail: Vec<Option<String>>,
    lease_until: Vec<Option<i64>>,
    since: Vec<i64>,
    changed_at: Vec<i64>,
    keep_until: Vec<Option<i64>>,
    answered: Vec<i64>,
    pinned: Vec<bool>,
    blob: Vec<Option<Vec<u8>>>,
}

impl KeyColumns {
    /// The columns of rows.
    pub(in crate::postgres) fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            columns.push(entry);
        }
        columns
    }

    fn push(&mut self, entry: &Entry) {
        let row = &entry.row;
        let (holder_task, holder_name) = rows::holder(&row.holder);
        let (first_task, first_name) = rows::holder(&entry.first);
        self.key.push(row.key.as_str().to_owned());
        self.generation.push(i64::from(row.generation));
        self.holder_task.push(holder_task);
        self.holder_name.push(holder_name);
        self.first_task.push(first_task);
        self.first_name.push(first_name);
        self.epoch.push(integer(row.epoch));
        self.token.push(integer(row.token));
        self.attempts.push(i64::from(row.attempts));
        self.fingerprint.push(row.fingerprint.clone());
        self.state.push(row.state.name());
        self.detail.push(rows::key_detail(&row.state));
        self.lease_until.push(row.lease_until.map(|at| at.micros()));
        self.since.push(row.since.micros());
        self.changed_at.push(row.changed_at.micros());
        self.keep_until.push(row.keep_until.map(|at| at.micros()));
        self.answered.push(i64::from(row.answered));
        self.pinned.push(entry.pinned);
        self.blob.push(match &row.state {
            KeyState::Done { result } => blob_of(result),
            _ => None,
        });
    }

    fn bind(&self, text: String) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(text))
            .bind(&self.key)
            .bind(&self.generation)
            .bind(&self.holder_task)
            .bind(&self.holder_name)
            .bind(&self.first_task)
            .bind(&self.first_name)
            .bind(&self.epoch)
            .bind(&self.token)
            .bind(&self.attempts)
            .bind(&self.fingerprint)
            .bind(&self.state)
            .bind(&self.detail)
            .bind(&self.lease_until)
            .bind(&self.since)
            .bind(&self.changed_at)
            .bind(&self.keep_until)
            .bind(&self.answered)
            .bind(&self.pinned)
            .bind(&self.blob)
    }
}

/// Inserts rows of keys that had none. Fails with [`Failed::Raced`] where one has a row by now.
pub(in crate::postgres) async fn insert(tx: &mut Tx<'_>, columns: &KeyColumns) -> Result<(), Failed> {
    let text = format!("INSERT INTO keys ({COLUMNS}) SELECT * FROM {ARRAYS} ON CONFLICT (key) DO NOTHING");
    let inserted = columns.bind(text).execute(&mut *tx.connection).await?.rows_affected();
    if inserted < columns.key.len() as u64 { Err(Failed::Raced) } else { Ok(()) }
}

/// Replaces rows that this transaction has locked.
pub(in crate::postgres) async fn update(tx: &mut Tx<'_>, columns: &KeyColumns) -> Result<(), Failed> {
    let set: Vec<String> =
        COLUMNS.split(", ").skip(1).map(|column| format!("{column} = v.{column}")).collect();
    let text =
        format!("UPDATE keys SET {} FROM {ARRAYS} AS v ({COLUMNS}) WHERE keys.key = v.key", set.join(", "));
    columns.bind(text).execute(&mut *tx.connection).await?;
    Ok(())
}

fn blob_of(payload: &Payload) -> Option<Vec<u8>> {
    payload.as_blob().and_then(|blob| rows::sha256(&blob.sha256))
}

/// Keeps a result that came too late; the same one once. The key's row is locked, or was made by this transaction.
pub(in crate::postgres) async fn put_evidence(tx: &mut Tx<'_>, evidence: &Evidence) -> Result<(), Failed> {
    sqlx::query(
        "INSERT INTO key_evidence (key, token, at, result, blob) SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS \
         (SELECT 1 FROM key_evidence WHERE key = $1 AND token = $2 AND result = $4)",
    )
    .bind(evidence.key.as_str())
    .bind(integer(evidence.late.token))
    .bind(evidence.late.at.micros())
    .bind(rows::payload(&evidence.late.result))
    .bind(blob_of(&evidence.late.result))
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query(
        "DELETE FROM key_evidence WHERE key = $1 AND no NOT IN \
         (SELECT no FROM key_evidence WHERE key = $1 ORDER BY no DESC LIMIT $2)",
    )
    .bind(evidence.key.as_str())
    .bind(MOST_EVIDENCE)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}
