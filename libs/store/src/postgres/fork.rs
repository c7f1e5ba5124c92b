//! Creating a task that begins with a part of another, while nobody can take that one away (PROTOCOL 20).

use std::collections::BTreeMap;

use async_trait::async_trait;
use holdfast_types::journal::{Created, Fork, Reliance};
use sqlx::AssertSqlSafe;

use super::create::{admit, write_content, write_row};
use super::failed::Failed;
use super::keys::write::{self as keys, KeyColumns};
use super::rows::{self, KEY};
use super::tx::{Tx, Write};
use crate::packed;
use crate::plain::no_such_task;
use crate::rules::keys::{Entry, no_more, rely};

/// The creation of a fork.
pub(super) struct CreateFork(pub(super) Fork);

#[async_trait]
impl Write for CreateFork {
    type Answer = Created;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Created, Failed> {
        let Fork { task, source, relies_on } = &self.0;
        if let Some(answer) = admit(tx, task).await? {
            return Ok(answer);
        }
        // Shared: forks don't wait for each other. Retention passes the source over while this holds, and where it
        // was first there is no source any more.
        sqlx::query("SELECT 1 FROM tasks WHERE id = $1 FOR SHARE")
            .bind(source.bytes().as_slice())
            .fetch_optional(&mut *tx.connection)
            .await?
            .ok_or_else(|| no_such_task(*source))?;
        write_row(tx, task).await?;
        rely_on(tx, relies_on).await?;
        write_content(tx, task).await
    }
}

/// Counts the fork in the row of each operation that it relies on.
async fn rely_on(tx: &mut Tx<'_>, relies_on: &[Reliance]) -> Result<(), Failed> {
    if relies_on.is_empty() {
        return Ok(());
    }
    let wanted: BTreeMap<&str, &Reliance> = relies_on.iter().map(|on| (on.key.as_str(), on)).collect();
    let found = sqlx::query(AssertSqlSafe(format!(
        "SELECT {KEY} FROM keys k WHERE k.key = ANY($1::text[]) ORDER BY k.key FOR NO KEY UPDATE"
    )))
    .bind(wanted.keys().copied().collect::<Vec<_>>())
    .fetch_all(&mut *tx.connection)
    .await?;
    // The rows may have been waited for.
    tx.read_clock().await?;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for row in &found {
        let entry = packed::key(rows::text(row, 0)?)?;
        entries.insert(entry.row.key.as_str().to_owned(), entry);
    }
    let mut changed = Vec::with_capacity(wanted.len());
    for (key, on) in wanted {
        let entry = rely(entries.remove(key), on.generation, tx.now).ok_or_else(|| no_more(&on.call))?;
        tx.news.keys.push(entry.row.key.clone());
        changed.push(entry);
    }
    keys::update(tx, &KeyColumns::of(&changed)).await?;
    Ok(())
}
