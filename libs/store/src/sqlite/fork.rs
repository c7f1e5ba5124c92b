//! Creating a task that begins with a part of another. The writer is alone: nobody takes the source away meanwhile.

use std::collections::BTreeMap;

use async_trait::async_trait;
use holdfast_types::journal::{Created, Fork, Reliance};
use sqlx::AssertSqlSafe;

use super::create::{Admission, admit, write};
use super::failed::Failed;
use super::keys::write as keys;
use super::packed::{self, KEY};
use super::rows;
use super::writer::{Tx, Write};
use crate::plain::no_such_task;
use crate::rules::keys::{Entry, no_more, rely};

/// The creation of a fork.
pub(super) struct CreateFork(pub(super) Fork);

#[async_trait]
impl Write for CreateFork {
    type Answer = Created;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Created, Failed> {
        let Fork { task, source, relies_on } = &self.0;
        let content = match admit(tx, task).await? {
            Admission::Answered(answer) => return Ok(answer),
            Admission::Granted(content) => content,
        };
        sqlx::query("SELECT 1 FROM tasks WHERE id = ?")
            .bind(source.bytes().as_slice())
            .fetch_optional(tx.open().await?)
            .await?
            .ok_or_else(|| no_such_task(*source))?;
        for entry in relied_on(tx, relies_on).await? {
            keys::put(tx, &entry).await?;
            tx.news.keys.push(entry.row.key);
        }
        write(tx, task, content).await
    }
}

/// The rows of the operations that the fork relies on, with the fork counted in each.
async fn relied_on(tx: &mut Tx<'_>, relies_on: &[Reliance]) -> Result<Vec<Entry>, Failed> {
    let now = tx.now;
    let wanted: BTreeMap<&str, &Reliance> = relies_on.iter().map(|on| (on.key.as_str(), on)).collect();
    let mut counted = Vec::with_capacity(wanted.len());
    for (key, on) in wanted {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {KEY} FROM keys WHERE key = ?")))
            .bind(key)
            .fetch_optional(tx.open().await?)
            .await?;
        let entry = row.map(|row| packed::key(rows::text(&row, 0)?)).transpose()?;
        counted.push(rely(entry, on.generation, now).ok_or_else(|| no_more(&on.call))?);
    }
    Ok(counted)
}
