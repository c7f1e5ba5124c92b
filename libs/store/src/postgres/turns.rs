//! Who is claimed where more tasks wait than a claim takes: namespaces in turn, each its best priority first.

use std::collections::BTreeMap;

use holdfast_types::Timestamp;
use sqlx::PgConnection;

use super::failed::Failed;
use super::rows::{self, HEAD, integer};
use crate::rules::turns::{in_turns, share};

/// The next namespaces in which somebody waits: each is one look into the index.
pub(super) const NAMESPACES: &str = "WITH RECURSIVE names (name) AS ( \
     (SELECT namespace FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL AND namespace > $1 \
      ORDER BY namespace LIMIT 1) \
     UNION ALL \
     SELECT (SELECT namespace FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL AND namespace > names.name \
      ORDER BY namespace LIMIT 1) FROM names WHERE names.name IS NOT NULL) \
     SELECT name FROM names WHERE name IS NOT NULL LIMIT $2";

/// Some tasks of each of these namespaces and of each priority whose time has come. The bounds are rows, so that only the
/// index of turns serves: that of wake-ups would be read again for each of them.
pub(super) const OF_NAMESPACES: &str = "SELECT n.name, t.id FROM unnest($1::text[]) AS n (name) \
     CROSS JOIN generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL \
     (SELECT id, wake_at FROM tasks WHERE owner IS NULL AND wake_at IS NOT NULL \
      AND (namespace, priority) >= (n.name, p.priority::smallint) \
      AND (namespace, priority, wake_at) <= (n.name, p.priority::smallint, $2) \
      ORDER BY namespace, priority, wake_at LIMIT $3) AS t ORDER BY n.name, p.priority, t.wake_at";

/// Locks tasks that nobody has claimed meanwhile.
pub(super) fn lock_text() -> String {
    format!(
        "SELECT {HEAD} FROM tasks t WHERE t.id = ANY($2::bytea[]) AND t.owner IS NULL AND t.wake_at <= $1 \
         FOR NO KEY UPDATE SKIP LOCKED"
    )
}

/// Finds the ids of at most `most` tasks, and the namespace whose turn was the last. Reads for each priority as many
/// rows as it returns, and as many namespaces. Nothing is locked.
pub(super) async fn find(
    connection: &mut PgConnection,
    now: Timestamp,
    last: &str,
    most: usize,
) -> Result<(Vec<Vec<u8>>, Option<String>), Failed> {
    let mut names = behind(connection, last, most).await?;
    if !last.is_empty() && names.len() < most {
        let room = most - names.len();
        let first = behind(connection, "", room).await?;
        names.extend(first.into_iter().filter(|name| name.as_str() <= last));
    }
    let each = integer(share(most, names.len()) as u64);
    let found =
        sqlx::query(OF_NAMESPACES).bind(&names).bind(now.micros()).bind(each).fetch_all(connection).await?;
    let mut lines: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for row in &found {
        lines.entry(rows::text(row, 0)?).or_default().push(rows::bytes(row, 1)?);
    }
    let in_order = names.iter().filter_map(|name| lines.remove(name.as_str())).collect();
    Ok((in_turns(in_order, most), names.into_iter().next_back()))
}

async fn behind(connection: &mut PgConnection, name: &str, most: usize) -> Result<Vec<String>, Failed> {
    let rows = sqlx::query(NAMESPACES).bind(name).bind(integer(most as u64)).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| Ok(rows::text(row, 0)?.to_owned())).collect::<holdfast_ports::Result<_>>()?)
}
