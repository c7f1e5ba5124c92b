//! Writes what a group of appends has changed: events in the order of the appends, rows and keys set-wise.

use std::collections::HashSet;

use holdfast_types::journal::Append;
use holdfast_types::{TaskId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::rules::append::{Head, blobs};
use crate::rules::group::Group;
use crate::sqlite::keys::write as keys;
use crate::sqlite::last_good;
use crate::sqlite::rows::integer;
use crate::sqlite::values::{Cell, MOST_ROWS, Statement, Values, class};
use crate::sqlite::writer::Tx;

pub(super) async fn save(
    tx: &mut Tx<'_>,
    group: &Group,
    written: &[(&Append, u64)],
    last: bool,
) -> Result<(), sqlx::Error> {
    let mut keys = changed_keys(group);
    if !group.world.evidence.is_empty() {
        // Evidence refers to rows that this group may bring.
        let keys = std::mem::replace(&mut keys, Values::new());
        send_long(tx, keys, keys::PUT, 0).await?;
        for evidence in &group.world.evidence {
            keys::put_evidence(tx, evidence).await?;
        }
    }
    save_blob_refs(tx, group, written).await?;
    save_handled(tx, group, written).await?;
    for (append, _) in written {
        for good in &append.last_good {
            last_good::put(tx, append.task, good).await?;
        }
    }

    let keys = send_long(tx, keys, keys::PUT, MOST_ROWS).await?;
    let events = send_long(tx, events(group, written), INSERT_EVENTS, MOST_ROWS).await?;
    let (hot, cold) = rows(tx.now, group, written);
    // One text for all that is left and the commit: one hop to the connection's thread. All its statements have the
    // same number of rows, so that there are few texts.
    let rows = class(keys.len().max(events.len()).max(hot.len()).max(cold.len()));
    let mut statement = Statement::default();
    keys.write(&mut statement, keys::PUT, rows);
    events.write(&mut statement, INSERT_EVENTS, rows);
    hot.write(&mut statement, HOT, rows);
    cold.write(&mut statement, COLD, rows);
    drop_snapshots(&mut statement, group, written);
    if last {
        statement.text.push_str("COMMIT");
        tx.committed();
    }
    execute(tx, statement).await
}

fn changed_keys(group: &Group) -> Values<19> {
    let mut values = Values::new();
    for entry in group.world.changed_keys.iter().filter_map(|key| group.world.keys.get(key)) {
        values.push(keys::cells(entry));
    }
    values
}

/// Sends rows in statements of [`MOST_ROWS`] until at most `most` are left, and returns those.
async fn send_long<const COLUMNS: usize>(
    tx: &mut Tx<'_>,
    mut values: Values<COLUMNS>,
    around: (&str, &str),
    most: usize,
) -> Result<Values<COLUMNS>, sqlx::Error> {
    while values.len() > most {
        let rest = values.split_off(values.len().min(MOST_ROWS));
        let rows = class(values.len());
        let mut statement = Statement::default();
        std::mem::replace(&mut values, rest).write(&mut statement, around, rows);
        execute(tx, statement).await?;
    }
    Ok(values)
}

/// Blobs that an append's events, or an answer from a key, make its task refer to.
async fn save_blob_refs(
    tx: &mut Tx<'_>,
    group: &Group,
    written: &[(&Append, u64)],
) -> Result<(), sqlx::Error> {
    let mut refs = HashSet::new();
    for (append, _) in written {
        if let Some((no, _)) = group.before.get(&append.task) {
            refs.extend(blobs(append).map(|sha256| (*no, sha256)));
        }
    }
    if refs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO blob_refs (task, blob) SELECT j.value ->> 0, b.no FROM json_each(?) j \
         JOIN blobs b ON b.sha256 = unhex(j.value ->> 1) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(serde_json::json!(refs).to_string())
    .execute(tx.open().await?)
    .await?;
    Ok(())
}

async fn save_handled(tx: &mut Tx<'_>, group: &Group, written: &[(&Append, u64)]) -> Result<(), sqlx::Error> {
    let mut handled = Vec::new();
    for (append, _) in written {
        if let Some((no, _)) = group.before.get(&append.task) {
            handled.extend(append.handled.iter().map(|id| (*no, hex::encode(id.bytes()))));
        }
    }
    if handled.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE inbox SET handled = 1, body = '' FROM json_each(?) j \
         WHERE inbox.id = unhex(j.value ->> 1) AND inbox.task = j.value ->> 0",
    )
    .bind(serde_json::json!(handled).to_string())
    .execute(tx.open().await?)
    .await?;
    Ok(())
}

/// Nobody resumes a finished task: its events are enough for whoever reads it.
fn drop_snapshots(statement: &mut Statement, group: &Group, written: &[(&Append, u64)]) {
    let finished: Vec<i64> = group.finished(written).into_iter().map(|(no, _)| no).collect();
    if !finished.is_empty() {
        statement.text.push_str("DELETE FROM snapshots WHERE task IN (SELECT value FROM json_each(?));");
        statement.push(serde_json::json!(finished).to_string());
    }
}

async fn execute(tx: &mut Tx<'_>, statement: Statement) -> Result<(), sqlx::Error> {
    if !statement.text.is_empty() {
        let query = sqlx::query_with(AssertSqlSafe(statement.text), statement.arguments);
        query.execute(tx.open().await?).await?;
    }
    Ok(())
}

fn events(group: &Group, written: &[(&Append, u64)]) -> Values<7> {
    let mut events = Values::new();
    for (append, after) in written {
        let Some((no, _)) = group.before.get(&append.task) else { continue };
        for (event, seq) in append.events.iter().zip(after + 1..) {
            events.push([
                (*no).into(),
                integer(seq).into(),
                integer(append.epoch).into(),
                event.at.micros().into(),
                event.kind.as_str().into(),
                i64::from(event.v).into(),
                event.body.as_str().into(),
            ]);
        }
    }
    events
}

/// The rows of the tasks that have changed. Most appends move only what no index holds, and an update that names an
/// indexed column rewrites its index: so there are two kinds.
fn rows(now: Timestamp, group: &Group, written: &[(&Append, u64)]) -> (Values<5>, Values<15>) {
    let (mut hot, mut cold) = (Values::new(), Values::new());
    let tasks: HashSet<TaskId> = written.iter().map(|(append, _)| append.task).collect();
    for task in tasks {
        let (Some((no, before)), Some(head)) = (group.before.get(&task), group.world.tasks.get(&task)) else {
            continue;
        };
        if is_hot(before, head) {
            hot.push(place(*no, head, now));
        } else {
            cold.push(whole(*no, head, now));
        }
    }
    (hot, cold)
}

/// Says whether only the place in the journal has moved.
fn is_hot(before: &Head, after: &Head) -> bool {
    let mut moved = before.clone();
    moved.last_seq = after.last_seq;
    moved.last_append = after.last_append;
    moved.life.fertile = after.life.fertile;
    moved == *after
}

fn place(no: i64, head: &Head, now: Timestamp) -> [Cell; 5] {
    [
        no.into(),
        integer(head.last_seq).into(),
        head.last_append.map(|id| *id.bytes()).into(),
        now.micros().into(),
        i64::from(head.life.fertile).into(),
    ]
}

fn whole(no: i64, head: &Head, now: Timestamp) -> [Cell; 15] {
    let [no, last_seq, last_append, updated_at, fertile] = place(no, head, now);
    let (instance, owner) = head.life.hold.unzip();
    [
        no,
        last_seq,
        last_append,
        updated_at,
        fertile,
        head.status.as_str().into(),
        head.outcome.map(|outcome| outcome.as_str()).into(),
        head.waits_for.map(|reason| reason.as_str()).into(),
        head.wake_at.map(|at| at.micros()).into(),
        head.finished_at.map(|at| at.micros()).into(),
        owner.map(|id| *id.bytes()).into(),
        instance.map(|id| *id.bytes()).into(),
        head.life.previous.as_str().into(),
        i64::from(head.life.barren_lives).into(),
        head.life.lost_from.map(|id| *id.bytes()).into(),
    ]
}

pub(in crate::sqlite) const INSERT_EVENTS: (&str, &str) = (
    "INSERT INTO events (task, seq, epoch, at, kind, v, body) SELECT * FROM ",
    " WHERE column1 IS NOT NULL;",
);
const HOT: (&str, &str) = (
    "UPDATE tasks SET last_seq = column2, last_append = column3, updated_at = column4, fertile = column5 FROM ",
    " AS v WHERE tasks.no = v.column1;",
);
const COLD: (&str, &str) = (
    "UPDATE tasks SET last_seq = column2, last_append = column3, updated_at = column4, fertile = column5, \
     status = column6, outcome = column7, waits_for = column8, wake_at = column9, finished_at = column10, \
     owner = column11, instance = column12, previous = column13, barren_lives = column14, lost_from = column15 \
     FROM ",
    " AS v WHERE tasks.no = v.column1;",
);
