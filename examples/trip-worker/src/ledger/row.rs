//! A row of the ledger.

use holdfast_types::worker::CallRef;
use holdfast_types::{Key, Timestamp, ToolName};
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// One effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place in the ledger, from 1.
    pub id: i64,
    /// When it happened, to the millisecond.
    pub at: Timestamp,
    /// The tool.
    pub tool: ToolName,
    /// The key that the call carried. Never log it.
    pub key: Key,
    /// The call that had the effect.
    pub call: CallRef,
    /// Which of its attempts.
    pub attempt: u32,
    /// SHA-256 over the arguments, in hexadecimal.
    pub args_sha256: String,
    /// How many repeats were answered from this row; always 0 where the tool does not honour keys.
    pub replays: u32,
    /// The row of the undo that took it back; none: it stands.
    pub undone_by: Option<i64>,
    /// What the call returned.
    pub result: Value,
}

pub(super) fn read(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let text = |name: &str| row.try_get::<String, _>(name);
    let task = text("task")?.parse().map_err(undecodable)?;
    let call = text("call")?.parse().map_err(undecodable)?;
    Ok(Row {
        id: row.try_get("id")?,
        at: Timestamp::from_micros(row.try_get("at")?),
        tool: ToolName::try_new(&text("tool")?).map_err(undecodable)?,
        key: Key::try_new(text("key")?).map_err(undecodable)?,
        call: CallRef { task, call },
        attempt: row.try_get("attempt")?,
        args_sha256: text("args_sha256")?,
        replays: row.try_get("replays")?,
        undone_by: row.try_get("undone_by")?,
        result: result(row)?,
    })
}

pub(super) fn result(row: &SqliteRow) -> Result<Value, sqlx::Error> {
    serde_json::from_str(&row.try_get::<String, _>("result")?).map_err(undecodable)
}

fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
