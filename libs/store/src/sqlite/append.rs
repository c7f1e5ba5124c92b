//! A group of appends as few statements: one call reads all that they are about, one writes all that they change and
//! commits. What succeeds is decided in between, by [`crate::rules::append`].

mod load;
mod save;

pub(super) use save::INSERT_EVENTS;

use std::collections::HashMap;

use holdfast_ports::Error;
use holdfast_types::journal::{Append, Appended, Hold};
use holdfast_types::{Key, TaskId};

use super::writer::{PendingAppend, Tx};
use crate::rules::append::{Head, Verdict, World, apply};

/// What a group is about, as the tables have it.
#[derive(Default)]
struct Group {
    world: World,
    /// The number of each task, and its head before the group.
    before: HashMap<TaskId, (i64, Head)>,
    /// Tasks and keys whose rows can't be read: their appends fail, their neighbours don't.
    broken_tasks: HashMap<TaskId, Error>,
    broken_keys: HashMap<Key, Error>,
}

/// Runs consecutive appends; commits in the same call where the group is the batch's last.
pub(super) async fn run(
    tx: &mut Tx<'_>,
    mut appends: Vec<&mut PendingAppend>,
    last: bool,
) -> Result<(), sqlx::Error> {
    let mut group = load::load(tx, &appends).await?;
    let retention = tx.config.key_retention;
    // The sequence number before each append that is to be written.
    let mut written = Vec::with_capacity(appends.len());
    for (index, pending) in appends.iter_mut().enumerate() {
        let append = &pending.append;
        if let Some(error) = broken(&group, append) {
            pending.answer = Some(Err(error));
            continue;
        }
        pending.answer = Some(Ok(match apply(&mut group.world, append, retention, tx.now) {
            Verdict::Written { after } => {
                written.push((index, after));
                Appended::Ok { last_seq: after.saturating_add(append.events.len() as u64) }
            }
            Verdict::Repeated { last_seq } => Appended::Ok { last_seq },
            Verdict::Refused(refusal) => Appended::Refused(refusal),
        }));
    }
    let written: Vec<(&Append, u64)> =
        written.into_iter().map(|(index, after)| (&appends[index].append, after)).collect();
    save::save(tx, &group, &written, last).await?;
    tell(tx, &group, &written);
    Ok(())
}

fn broken(group: &Group, append: &Append) -> Option<Error> {
    let key = || append.keys.iter().find_map(|change| group.broken_keys.get(&change.key));
    group.broken_tasks.get(&append.task).or_else(key).cloned()
}

fn tell(tx: &mut Tx<'_>, group: &Group, written: &[(&Append, u64)]) {
    for (append, _) in written {
        if !append.events.is_empty() {
            tx.news.tasks.push(append.task);
        }
        let wake_at = group.world.tasks.get(&append.task).and_then(|head| head.wake_at);
        if append.hold == Hold::GiveBack && wake_at.is_some_and(|at| at <= tx.now) {
            tx.news.woken.push(append.task);
        }
    }
    tx.news.keys.extend(group.world.changed_keys.iter().cloned());
}
