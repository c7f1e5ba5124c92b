//! Who is claimed where more tasks wait than a claim takes: namespaces in turn, each its best priority first.

use holdfast_types::{Priority, Timestamp};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::claims::{Candidate, candidate, readable};
use super::failed::Failed;
use super::rows::{self, integer};
use crate::rules::turns::{in_turns, share};

/// The next namespace in which somebody waits.
pub(super) const NEXT_NAMESPACE: &str = "SELECT namespace FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL \
     AND namespace > ? ORDER BY namespace LIMIT 1";

/// The tasks of one namespace and priority whose time has come.
pub(super) fn of_priority_text() -> String {
    format!(
        "SELECT {} FROM tasks t WHERE t.owner IS NULL AND t.wake_at IS NOT NULL AND t.namespace = ? \
         AND t.priority = ? AND t.wake_at <= ? ORDER BY t.wake_at LIMIT ?",
        candidate()
    )
}

/// Finds at most `most` tasks, and the namespace whose turn was the last. Reads as many rows as it returns, and as many
/// namespaces.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    now: Timestamp,
    last: &str,
    most: usize,
) -> Result<(Vec<Candidate>, Option<String>), Failed> {
    let names = namespaces(connection, last, most).await?;
    let each = share(most, names.len());
    let mut lines = Vec::with_capacity(names.len());
    for name in &names {
        lines.push(of_namespace(connection, name, now, each).await?);
    }
    Ok((in_turns(lines, most), names.into_iter().next_back()))
}

/// The next namespaces behind one, each once; behind the last comes the first.
async fn namespaces(
    connection: &mut SqliteConnection,
    last: &str,
    most: usize,
) -> Result<Vec<String>, Failed> {
    let mut names: Vec<String> = Vec::new();
    for (from, is_over) in [(last, ""), ("", last)] {
        let mut behind = from.to_owned();
        while names.len() < most {
            let row = sqlx::query(NEXT_NAMESPACE).bind(&behind).fetch_optional(&mut *connection).await?;
            let Some(row) = row else { break };
            behind = rows::text(&row, 0)?.to_owned();
            if !is_over.is_empty() && behind.as_str() > is_over {
                break;
            }
            names.push(behind.clone());
        }
        if last.is_empty() {
            break;
        }
    }
    Ok(names)
}

async fn of_namespace(
    connection: &mut SqliteConnection,
    namespace: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Candidate>, Failed> {
    let mut found = Vec::new();
    for priority in Priority::FIRST.level()..=Priority::LAST.level() {
        if found.len() >= most {
            break;
        }
        let rows = sqlx::query(AssertSqlSafe(of_priority_text()))
            .bind(namespace)
            .bind(i64::from(priority))
            .bind(now.micros())
            .bind(integer((most - found.len()) as u64))
            .fetch_all(&mut *connection)
            .await?;
        found.append(&mut readable(&rows));
    }
    Ok(found)
}
