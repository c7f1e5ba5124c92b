//! A group of appends that share a transaction: what they are about, and each one's answer.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use holdfast_ports::{Error, Result};
use holdfast_types::journal::{Append, Appended, EventRow, Hold, NewEvent};
use holdfast_types::{Key, TaskId, TaskStatus, Timestamp};

use super::append::{Head, Verdict, World, apply};
use crate::notices::News;
use crate::packed;

/// What a group is about, as the tables have it.
#[derive(Default)]
pub(crate) struct Group {
    /// What it becomes.
    pub(crate) world: World,
    /// The number of each task (where the backend numbers them), and its head before the group.
    pub(crate) before: HashMap<TaskId, (i64, Head)>,
    /// Tasks and keys whose rows can't be read: their appends fail, their neighbours don't.
    broken_tasks: HashMap<TaskId, Error>,
    broken_keys: HashMap<Key, Error>,
}

impl Group {
    /// Takes a task's row in. One that can't be read fails the appends of its task, and no others.
    pub(crate) fn take_task(&mut self, row: &str) {
        match packed::head(row) {
            Ok((no, id, head)) => {
                self.before.insert(id, (no, head.clone()));
                self.world.tasks.insert(id, head);
            }
            Err(error) => {
                if let Some(Ok(id)) = packed::name(row, 1).as_deref().map(packed::task_id) {
                    self.broken_tasks.insert(id, error);
                }
            }
        }
    }

    /// Takes a key's row in. One that can't be read fails the appends that are about its key, and no others.
    pub(crate) fn take_key(&mut self, row: &str) {
        match packed::key(row) {
            Ok(entry) => drop(self.world.keys.insert(entry.row.key.clone(), entry)),
            Err(error) => {
                if let Some(Ok(key)) = packed::name(row, 0).map(Key::try_new) {
                    self.broken_keys.insert(key, error);
                }
            }
        }
    }

    /// Decides about one append: its answer, and the sequence number before it where it is to be written.
    pub(crate) fn judge(
        &mut self,
        append: &Append,
        retention: Duration,
        now: Timestamp,
    ) -> (Result<Appended>, Option<u64>) {
        if let Some(error) = self.broken(append) {
            return (Err(error), None);
        }
        match apply(&mut self.world, append, retention, now) {
            Verdict::Written { after, tokens } => {
                let last_seq = after.saturating_add(append.events.len() as u64);
                (Ok(Appended::Ok { last_seq, tokens }), Some(after))
            }
            Verdict::Repeated { last_seq, tokens } => (Ok(Appended::Ok { last_seq, tokens }), None),
            Verdict::Refused(refusal) => (Ok(Appended::Refused(refusal)), None),
        }
    }

    fn broken(&self, append: &Append) -> Option<Error> {
        let key = || append.keys.iter().find_map(|change| self.broken_keys.get(&change.key));
        self.broken_tasks.get(&append.task).or_else(key).cloned()
    }

    /// The tasks that the written appends have finished, each with its number (where the backend numbers them): what
    /// only a resume needs of them goes.
    pub(crate) fn finished(&self, written: &[(&Append, u64)]) -> BTreeSet<(i64, TaskId)> {
        let ended = |(append, _): &(&Append, u64)| {
            let (no, before) = self.before.get(&append.task)?;
            let after = self.world.tasks.get(&append.task)?;
            let ends = before.status != TaskStatus::Finished && after.status == TaskStatus::Finished;
            ends.then_some((*no, append.task))
        };
        written.iter().filter_map(ended).collect()
    }

    /// Notes what is to be told of the written appends after their commit.
    pub(crate) fn tell(&self, written: &[(&Append, u64)], now: Timestamp, news: &mut News) {
        for (append, after) in written {
            if !append.events.is_empty() {
                news.appended.push((append.task, rows(append, *after)));
            }
            let wake_at = self.world.tasks.get(&append.task).and_then(|head| head.wake_at);
            if append.hold == Hold::GiveBack && wake_at.is_some_and(|at| at <= now) {
                news.woken.push(append.task);
            }
        }
        news.keys.extend(self.world.changed_keys.iter().cloned());
    }
}

/// The events of an append, as they stand in the tables.
fn rows(append: &Append, after: u64) -> Vec<EventRow> {
    let row = |(event, seq): (&NewEvent, u64)| EventRow {
        seq,
        epoch: append.epoch,
        at: event.at,
        kind: event.kind.clone(),
        v: event.v,
        body: event.body.clone(),
    };
    append.events.iter().zip(after.saturating_add(1)..).map(row).collect()
}
