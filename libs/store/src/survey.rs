//! What a store holds and what of it may go, for people: the questions, which both databases are asked in the same words.

use holdfast_types::Timestamp;

use crate::error::{Error, Result};

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The size of the database in bytes; none where the server does not tell.
    pub size: Option<u64>,
    /// Its largest tables with their indexes, the largest first; empty where nobody counts them.
    pub tables: Vec<TableSize>,
    /// What is under way; none: the tables are not there yet.
    pub work: Option<Work>,
}

/// The size of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Its bytes on disk, its indexes and large values included.
    pub size: u64,
}

/// What is under way in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// How many tasks are unfinished.
    pub unfinished: u64,
    /// When the oldest of them was submitted.
    pub oldest_task: Option<Timestamp>,
    /// Since when the oldest key is open or in doubt.
    pub oldest_key: Oldest,
}

/// The oldest entry of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oldest {
    /// There is none.
    Nothing,
    /// It is there since then.
    Since(Timestamp),
    /// The table is too large to be read through for a look.
    Unknown,
}

impl From<Option<i64>> for Oldest {
    fn from(micros: Option<i64>) -> Self {
        micros.map_or(Self::Nothing, |micros| Self::Since(Timestamp::from_micros(micros)))
    }
}

/// What retention would remove now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prunable {
    /// Finished tasks, with all that only they refer to.
    pub tasks: u64,
    /// Keys and last good results.
    pub keys: u64,
    /// Blobs that nobody else refers to.
    pub blobs: u64,
}

/// How a database names its rows to each other.
pub(crate) struct Names {
    /// The column of `tasks` that references name.
    pub(crate) task: &'static str,
    /// The column of `blobs` that references name.
    pub(crate) blob: &'static str,
    /// The column of `blob_refs` that names a blob.
    pub(crate) reference: &'static str,
}

/// How many tasks are unfinished, and when the oldest was submitted: by the counts and by the index of lists, whatever
/// the number of tasks.
pub(crate) const WORK: &str = "SELECT (SELECT CAST(coalesce(sum(unfinished), 0) AS BIGINT) FROM queues), \
     (SELECT min(since) FROM (SELECT min(submitted_at) AS since FROM tasks WHERE state = 'QUEUED' \
     UNION ALL SELECT min(submitted_at) FROM tasks WHERE state = 'RUNNING' \
     UNION ALL SELECT min(submitted_at) FROM tasks WHERE state = 'WAITING' \
     UNION ALL SELECT min(submitted_at) FROM tasks WHERE state = 'COMPENSATING' \
     UNION ALL SELECT min(submitted_at) FROM tasks WHERE state = 'QUARANTINED') AS o)";

/// Since when the oldest key is not settled. It reads the whole table: no index is worth its cost at every claim.
pub(crate) const OLDEST_KEY: &str =
    "SELECT min(since) FROM keys WHERE state IN ('OPEN', 'IN_DOUBT') AND attempts > 0";

/// Counts what would go: tasks that ended before $1, keys kept until $2, blobs not touched since $3. What goes with a
/// task or a key counts as gone, too.
pub(crate) fn prunable(names: &Names) -> String {
    let Names { task, blob, reference } = names;
    let ended = "t.finished_at IS NOT NULL AND t.finished_at < $1 AND t.owner IS NULL AND t.wake_at IS NULL";
    let past = format!(
        "k.keep_until IS NOT NULL AND k.keep_until <= $2 AND NOT (k.pinned AND EXISTS \
         (SELECT 1 FROM tasks t WHERE t.id = k.holder_task AND NOT ({ended})))"
    );
    format!(
        "SELECT (SELECT count(*) FROM tasks t WHERE {ended}), \
         (SELECT count(*) FROM keys k WHERE {past}) + (SELECT count(*) FROM last_good WHERE keep_until <= $2), \
         (SELECT count(*) FROM blobs b WHERE b.touched_at < $3 \
         AND NOT EXISTS (SELECT 1 FROM blob_refs r JOIN tasks t ON t.{task} = r.task \
         WHERE r.{reference} = b.{blob} AND NOT ({ended})) \
         AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.blob = b.{blob} AND NOT ({past})) \
         AND NOT EXISTS (SELECT 1 FROM key_evidence e JOIN keys k ON k.key = e.key \
         WHERE e.blob = b.{blob} AND NOT ({past})) \
         AND NOT EXISTS (SELECT 1 FROM last_good l WHERE l.blob = b.{blob} AND l.keep_until > $2) \
         AND NOT EXISTS (SELECT 1 FROM checkpoints c WHERE c.blob = b.{blob}) \
         AND NOT EXISTS (SELECT 1 FROM checkpoint_writes w WHERE w.blob = b.{blob}))"
    )
}

/// The newest migration that a database has.
pub(crate) const MADE: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";

/// The newest migration of this release.
pub(crate) fn newest(migrations: &sqlx::migrate::Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Refuses tables of an earlier release.
pub(crate) fn check_current(store: impl FnOnce() -> String, found: Option<i64>, known: i64) -> Result<()> {
    match found.unwrap_or_default() {
        found if found < known => Err(Error::Outdated { store: store(), found, known }),
        _ => Ok(()),
    }
}

/// Makes the answer of a row of counts.
pub(crate) fn counted((tasks, keys, blobs): (i64, i64, i64)) -> Prunable {
    Prunable { tasks: tasks.unsigned_abs(), keys: keys.unsigned_abs(), blobs: blobs.unsigned_abs() }
}
