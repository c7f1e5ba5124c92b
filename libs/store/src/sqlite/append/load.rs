//! Reads what a group of appends is about: its tasks, keys, blobs, and the inboxes of the tasks that it gives back.

use std::collections::HashSet;

use futures::TryStreamExt;
use holdfast_ports::Error;
use holdfast_types::TaskId;
use holdfast_types::journal::Hold;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Either, Executor};

use crate::rules::append::blobs;
use crate::rules::group::Group;
use crate::sqlite::packed::{self, HEAD, KEY};
use crate::sqlite::rows;
use crate::sqlite::values::Statement;
use crate::sqlite::writer::{PendingAppend, Tx};

/// What the group asks for, each as a JSON array that SQLite unpacks, so that the text does not depend on its size.
struct Wanted {
    tasks: HashSet<TaskId>,
    keys: HashSet<String>,
    blobs: HashSet<String>,
    inboxes: HashSet<TaskId>,
}

/// The tables that are read, in the order of their statements.
#[derive(Clone, Copy)]
enum Table {
    Tasks,
    Keys,
    Blobs,
    Inboxes,
}

pub(super) async fn load(tx: &mut Tx<'_>, appends: &[&mut PendingAppend]) -> Result<Group, sqlx::Error> {
    let wanted = wanted(appends);
    let (connection, begin) = tx.open_with_text();
    let (question, tables) = question(begin, &wanted);
    let mut group = Group::default();
    // BEGIN answers as a statement of its own.
    let mut at = 0;
    let first = usize::from(!begin.is_empty());
    let query = sqlx::query_with(AssertSqlSafe(question.text), question.arguments);
    let mut answers = connection.fetch_many(query);
    while let Some(answer) = answers.try_next().await? {
        match answer {
            Either::Left(_) => at += 1,
            Either::Right(row) => {
                if let Some(table) = tables.get(at - first) {
                    take(&mut group, *table, &row).map_err(|error| sqlx::Error::Decode(error.into()))?;
                }
            }
        }
    }
    Ok(group)
}

fn wanted(appends: &[&mut PendingAppend]) -> Wanted {
    let appends = || appends.iter().map(|pending| &pending.append);
    Wanted {
        tasks: appends().map(|append| append.task).collect(),
        keys: appends()
            .flat_map(|append| &append.keys)
            .map(|change| change.key.as_str().to_owned())
            .collect(),
        blobs: appends().flat_map(blobs).map(str::to_owned).collect(),
        inboxes: appends().filter(|append| append.hold == Hold::GiveBack).map(|append| append.task).collect(),
    }
}

fn question(begin: &str, wanted: &Wanted) -> (Statement, Vec<Table>) {
    let mut question = Statement {
        text: format!(
            "{begin}SELECT json_group_array({HEAD}) FROM tasks \
             WHERE id IN (SELECT unhex(value) FROM json_each(?))"
        ),
        ..Statement::default()
    };
    let mut tables = vec![Table::Tasks];
    question.push(ids(&wanted.tasks));
    if !wanted.keys.is_empty() {
        question.text += &format!(
            ";SELECT json_group_array({KEY}) FROM keys WHERE key IN (SELECT value FROM json_each(?))"
        );
        question.push(serde_json::json!(wanted.keys).to_string());
        tables.push(Table::Keys);
    }
    if !wanted.blobs.is_empty() {
        // A text that is no SHA-256 is no blob either.
        let known: Vec<&String> = wanted.blobs.iter().filter(|blob| rows::sha256(blob).is_some()).collect();
        question.text +=
            ";SELECT lower(hex(sha256)) FROM blobs WHERE sha256 IN (SELECT unhex(value) FROM json_each(?))";
        question.push(serde_json::json!(known).to_string());
        tables.push(Table::Blobs);
    }
    if !wanted.inboxes.is_empty() {
        question.text += ";SELECT t.id, i.id FROM json_each(?) j JOIN tasks t ON t.id = unhex(j.value) \
             JOIN inbox i ON i.task = t.no AND i.handled = 0";
        question.push(ids(&wanted.inboxes));
        tables.push(Table::Inboxes);
    }
    (question, tables)
}

fn ids(tasks: &HashSet<TaskId>) -> String {
    let mut text = String::with_capacity(2 + tasks.len() * 35);
    for task in tasks {
        text.push_str(if text.is_empty() { "[\"" } else { ",\"" });
        text.push_str(&hex::encode(task.bytes()));
        text.push('"');
    }
    text.push(']');
    text
}

fn take(group: &mut Group, table: Table, row: &SqliteRow) -> Result<(), Error> {
    match table {
        Table::Tasks => packed::split(rows::text(row, 0)?)?.iter().for_each(|row| group.take_task(row.get())),
        Table::Keys => packed::split(rows::text(row, 0)?)?.iter().for_each(|row| group.take_key(row.get())),
        Table::Blobs => drop(group.world.blobs.insert(rows::text(row, 0)?.to_owned())),
        Table::Inboxes => {
            let (task, message) = (rows::task_id(row, 0)?, rows::message_id(row, 1)?);
            group.world.inboxes.entry(task).or_default().insert(message);
        }
    }
    Ok(())
}
