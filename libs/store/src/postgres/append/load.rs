//! Locks and reads what a group of appends is about: its tasks first, then, when nobody can change those any more,
//! its keys, blobs, and the inboxes of the tasks that it gives back.

use std::collections::{BTreeSet, HashMap, HashSet};

use holdfast_ports::Error;
use holdfast_types::journal::Hold;
use holdfast_types::{TaskId, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use crate::postgres::config::PostgresClock;
use crate::postgres::failed::Failed;
use crate::postgres::rows::{self, HEAD, KEY};
use crate::postgres::tx::{CLOCK, Tx};
use crate::postgres::writer::PendingAppend;
use crate::rules::append::blobs;
use crate::rules::group::Group;

/// A group, and what only this backend needs of it.
pub(super) struct Locked {
    /// The group.
    pub(super) group: Group,
    /// The keys that had rows.
    pub(super) stored_keys: HashSet<String>,
    /// The namespaces of the tasks.
    pub(super) namespaces: HashMap<TaskId, String>,
}

/// Locks the tasks of a group, in the order of their ids.
pub(in crate::postgres) const LOCK_TASKS: fn() -> String = || {
    format!("SELECT {HEAD}, t.namespace FROM tasks t WHERE t.id = ANY($1) ORDER BY t.id FOR NO KEY UPDATE")
};

/// Locks keys in their order, keeps blobs from the collector, and reads inboxes and the clock.
///
/// A statement of its own: its snapshot is younger than the locks of the tasks, so no message is overlooked.
pub(in crate::postgres) const REST: fn() -> String = || {
    format!(
        "WITH k AS MATERIALIZED (SELECT {KEY} AS body, k.key FROM keys k WHERE k.key = ANY($1::text[]) \
           ORDER BY k.key FOR NO KEY UPDATE), \
         b AS MATERIALIZED (SELECT encode(sha256, 'hex') AS body FROM blobs WHERE sha256 = ANY($2::bytea[]) \
           ORDER BY sha256 FOR KEY SHARE) \
         SELECT 0::bigint, body, key::text, NULL::bytea, NULL::bytea FROM k \
         UNION ALL SELECT 1, body, NULL, NULL, NULL FROM b \
         UNION ALL SELECT 2, NULL, NULL, i.task, i.id FROM inbox i WHERE i.task = ANY($3::bytea[]) AND NOT i.handled \
         UNION ALL SELECT 3, ({CLOCK})::text, NULL, NULL, NULL"
    )
};

pub(super) async fn load(tx: &mut Tx<'_>, appends: &[PendingAppend]) -> Result<Locked, Failed> {
    let mut locked =
        Locked { group: Group::default(), stored_keys: HashSet::new(), namespaces: HashMap::new() };
    let tasks: BTreeSet<TaskId> = appends.iter().map(|pending| pending.append.task).collect();
    let tasks: Vec<&[u8]> = tasks.iter().map(|task| task.bytes().as_slice()).collect();
    let found = sqlx::query(AssertSqlSafe(LOCK_TASKS())).bind(&tasks).fetch_all(&mut *tx.connection).await?;
    for row in &found {
        let head = rows::text(row, 0)?;
        locked.group.take_task(head);
        if let Ok((_, id, _)) = crate::packed::head(head) {
            locked.namespaces.insert(id, rows::text(row, 1)?.to_owned());
        }
    }
    read_rest(tx, appends, &mut locked).await?;
    Ok(locked)
}

async fn read_rest(tx: &mut Tx<'_>, appends: &[PendingAppend], locked: &mut Locked) -> Result<(), Failed> {
    let appends = || appends.iter().map(|pending| &pending.append);
    let keys: BTreeSet<&str> = appends().flat_map(|a| &a.keys).map(|change| change.key.as_str()).collect();
    // A text that is no SHA-256 is no blob either.
    let digests: BTreeSet<Vec<u8>> = appends().flat_map(blobs).filter_map(rows::sha256).collect();
    let given_back = appends().filter(|append| append.hold == Hold::GiveBack);
    let inboxes: BTreeSet<&[u8]> = given_back.map(|append| append.task.bytes().as_slice()).collect();
    let given = matches!(tx.clock(), PostgresClock::Given(_));
    if given && keys.is_empty() && digests.is_empty() && inboxes.is_empty() {
        return Ok(());
    }
    let found = sqlx::query(AssertSqlSafe(REST()))
        .bind(keys.into_iter().collect::<Vec<_>>())
        .bind(digests.into_iter().collect::<Vec<_>>())
        .bind(inboxes.into_iter().collect::<Vec<_>>())
        .fetch_all(&mut *tx.connection)
        .await?;
    for row in &found {
        match rows::number::<u8>(row, 0)? {
            3 if given => {}
            // After all locks: whatever others did is before it.
            3 => tx.now = clock(rows::text(row, 1)?)?,
            kind => take(locked, kind, row)?,
        }
    }
    Ok(())
}

fn clock(micros: &str) -> Result<Timestamp, Error> {
    micros.parse().map(Timestamp::from_micros).map_err(|error| rows::corrupt("the clock", error))
}

fn take(locked: &mut Locked, kind: u8, row: &PgRow) -> Result<(), Error> {
    match kind {
        0 => {
            locked.stored_keys.insert(rows::text(row, 2)?.to_owned());
            locked.group.take_key(rows::text(row, 1)?);
        }
        1 => drop(locked.group.world.blobs.insert(rows::text(row, 1)?.to_owned())),
        _ => {
            let (task, message) = (rows::task_id(row, 3)?, rows::message_id(row, 4)?);
            locked.group.world.inboxes.entry(task).or_default().insert(message);
        }
    }
    Ok(())
}
