//! Effects: each is one transaction, so it happens whole or not at all.

use holdfast_tool::CallFacts;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::{Ledger, LedgerError, row};

/// Writes an effect; under a key that stands already it counts a replay, and returns the first result.
const WRITE: &str = "
    INSERT INTO effects (at, tool, key, task, call, attempt, args_sha256, honours_key, result)
    VALUES (CAST(unixepoch('subsec') * 1000000 AS INTEGER), ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (tool, key) WHERE honours_key = 1 AND undone_by IS NULL DO UPDATE SET replays = replays + 1
    RETURNING id, replays, result";

/// Finds what is to be taken back, by key and reference: what stands first, then the latest.
const DEED_OF_KEY: &str = "
    SELECT id, undone_by, result FROM effects
    WHERE tool = ?1 AND key = ?4 AND (?3 = '' OR json_extract(result, '$.' || ?2) = ?3)
    ORDER BY undone_by IS NULL DESC, id DESC LIMIT 1";

/// Finds what is to be taken back, by reference only.
const DEED_OF_REFERENCE: &str = "
    SELECT id, undone_by, result FROM effects
    WHERE tool = ?1 AND ?3 <> '' AND json_extract(result, '$.' || ?2) = ?3
    ORDER BY undone_by IS NULL DESC, id DESC LIMIT 1";

/// An effect that is about to happen.
pub(crate) struct Entry<'a> {
    pub(crate) tool: &'a str,
    pub(crate) facts: &'a CallFacts,
    pub(crate) args_sha256: String,
    pub(crate) repeats: Repeats,
}

/// What a repeat under the same key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// It finds the first result, and adds no row.
    AreFound,
    /// It is a second effect.
    HappenAgain,
}

/// What is to be taken back. Empty texts are not known.
pub(crate) struct Target<'a> {
    /// The tool that did it.
    pub(crate) tool: &'static str,
    /// The field of its result that holds the reference.
    pub(crate) field: &'static str,
    pub(crate) reference: &'a str,
    pub(crate) call_key: &'a str,
}

/// What became of an entry, with its result.
#[derive(Debug, PartialEq)]
pub(crate) enum Written {
    /// It is a row now.
    Now(Value),
    /// It was one before.
    Before(Value),
}

impl Ledger {
    /// Lets an effect happen, or finds that it has.
    pub(crate) async fn act(&self, entry: &Entry<'_>, result: &Value) -> Result<Written, LedgerError> {
        let mut writer = self.writer.acquire().await.map_err(LedgerError::Write)?;
        let row = write(&mut writer, entry, result).await.map_err(LedgerError::Write)?;
        written(&row).map_err(LedgerError::Write)
    }

    /// Takes an effect back, or finds that it was; returns none where there is nothing to take back.
    ///
    /// What is undone frees its key: the same operation may be done again.
    pub(crate) async fn take_back(
        &self,
        entry: &Entry<'_>,
        target: &Target<'_>,
    ) -> Result<Option<Written>, LedgerError> {
        let mut undo = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(LedgerError::Write)?;
        let written = take_back(&mut undo, entry, target).await.map_err(LedgerError::Write)?;
        undo.commit().await.map_err(LedgerError::Write)?;
        Ok(written)
    }
}

async fn write(
    writer: &mut SqliteConnection,
    entry: &Entry<'_>,
    result: &Value,
) -> Result<SqliteRow, sqlx::Error> {
    sqlx::query(WRITE)
        .bind(entry.tool)
        .bind(entry.facts.key.as_str())
        .bind(entry.facts.call.task.to_string())
        .bind(entry.facts.call.call.to_string())
        .bind(entry.facts.attempt)
        .bind(&entry.args_sha256)
        .bind(entry.repeats == Repeats::AreFound)
        .bind(result.to_string())
        .fetch_one(writer)
        .await
}

async fn take_back(
    undo: &mut Transaction<'_, Sqlite>,
    entry: &Entry<'_>,
    target: &Target<'_>,
) -> Result<Option<Written>, sqlx::Error> {
    // This undo's own key comes first: of two equal deeds a repeat must not take back the second.
    let before =
        "UPDATE effects SET replays = replays + 1 WHERE tool = ? AND key = ? RETURNING id, replays, result";
    let before = sqlx::query(before).bind(entry.tool).bind(entry.facts.key.as_str());
    if let Some(row) = before.fetch_optional(&mut **undo).await? {
        return written(&row).map(Some);
    }
    let Some(deed) = deed(undo, target).await? else { return Ok(None) };
    if let Some(undone_by) = deed.try_get::<Option<i64>, _>("undone_by")? {
        let other = "UPDATE effects SET replays = replays + 1 WHERE id = ? RETURNING id, replays, result";
        let row = sqlx::query(other).bind(undone_by).fetch_one(&mut **undo).await?;
        return written(&row).map(Some);
    }
    let done = row::result(&deed)?;
    let reference = done.get(target.field).and_then(Value::as_str).unwrap_or_default();
    let result = json!({ "undone": true, target.field: reference });
    let row = write(undo, entry, &result).await?;
    sqlx::query("UPDATE effects SET undone_by = ? WHERE id = ?")
        .bind(row.try_get::<i64, _>("id")?)
        .bind(deed.try_get::<i64, _>("id")?)
        .execute(&mut **undo)
        .await?;
    written(&row).map(Some)
}

async fn deed(
    undo: &mut Transaction<'_, Sqlite>,
    target: &Target<'_>,
) -> Result<Option<SqliteRow>, sqlx::Error> {
    let query = if target.call_key.is_empty() { DEED_OF_REFERENCE } else { DEED_OF_KEY };
    let deed = sqlx::query(query).bind(target.tool).bind(target.field).bind(target.reference);
    let deed = if target.call_key.is_empty() { deed } else { deed.bind(target.call_key) };
    deed.fetch_optional(&mut **undo).await
}

fn written(row: &SqliteRow) -> Result<Written, sqlx::Error> {
    let result = row::result(row)?;
    let replays: i64 = row.try_get("replays")?;
    Ok(if replays == 0 { Written::Now(result) } else { Written::Before(result) })
}
