//! Writes what a group of appends has changed: one statement for events, tasks, new keys, references and messages.

use std::collections::{BTreeSet, HashMap};

use holdfast_types::TaskId;
use holdfast_types::TaskStatus::Finished;
use holdfast_types::journal::Append;

use super::load::Locked;
use crate::postgres::failed::Failed;
use crate::postgres::keys::write::{self as keys, KeyColumns};
use crate::postgres::last_good;
use crate::postgres::rows::{self, integer};
use crate::postgres::tx::Tx;
use crate::rules::append::{Head, blobs};
use crate::rules::keys::Entry;

/// Writes events, tasks, references to blobs and handled messages.
pub(in crate::postgres) const WRITE: &str = "WITH \
     e AS (INSERT INTO events (task, seq, epoch, at, v, kind, body) SELECT * FROM \
       unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])), \
     r AS (INSERT INTO blob_refs (task, sha256) SELECT * FROM unnest($8::bytea[], $9::bytea[]) \
       ON CONFLICT DO NOTHING), \
     m AS (UPDATE inbox SET handled = true, body = '' FROM unnest($10::bytea[], $11::bytea[]) AS v (task, id) \
       WHERE inbox.id = v.id AND inbox.task = v.task) \
     UPDATE tasks SET last_seq = v.last_seq, last_append = v.last_append, updated_at = $26, fertile = v.fertile, \
       status = v.status, outcome = v.outcome, waits_for = v.waits_for, wake_at = v.wake_at, \
       finished_at = v.finished_at, owner = v.owner, instance = v.instance, previous = v.previous, \
       barren_lives = v.barren_lives, lost_from = v.lost_from \
     FROM unnest($12::bytea[], $13::bigint[], $14::bytea[], $15::boolean[], $16::text[], $17::text[], $18::text[], \
       $19::bigint[], $20::bigint[], $21::bytea[], $22::bytea[], $23::text[], $24::bigint[], $25::bytea[]) AS v (id, last_seq, last_append, fertile, status, outcome, waits_for, wake_at, finished_at, \
       owner, instance, previous, barren_lives, lost_from) \
     WHERE tasks.id = v.id";

pub(super) async fn save(tx: &mut Tx<'_>, locked: &Locked, written: &[(&Append, u64)]) -> Result<(), Failed> {
    let world = &locked.group.world;
    let mut changed: Vec<&Entry> = world.changed_keys.iter().filter_map(|key| world.keys.get(key)).collect();
    // All replicas insert in one order.
    changed.sort_by(|a, b| a.row.key.as_str().cmp(b.row.key.as_str()));
    let (stored, new): (Vec<&Entry>, Vec<&Entry>) =
        changed.into_iter().partition(|entry| locked.stored_keys.contains(entry.row.key.as_str()));
    if !new.is_empty() {
        keys::insert(tx, &KeyColumns::of(new)).await?;
    }
    if !stored.is_empty() {
        keys::update(tx, &KeyColumns::of(stored)).await?;
    }
    write(tx, locked, written).await?;
    last_good::put(tx, written).await?;
    for evidence in &world.evidence {
        keys::put_evidence(tx, evidence).await?;
    }
    drop_snapshots(tx, locked, written).await?;
    let changes = counts(locked, written);
    tx.count(changes).await?;
    Ok(())
}

#[derive(Default)]
struct Events<'a> {
    task: Vec<&'a [u8]>,
    seq: Vec<i64>,
    epoch: Vec<i64>,
    at: Vec<i64>,
    v: Vec<i64>,
    kind: Vec<&'a str>,
    body: Vec<&'a str>,
}

fn events<'a>(written: &[(&'a Append, u64)]) -> Events<'a> {
    let mut events = Events::default();
    for (append, after) in written {
        for (event, seq) in append.events.iter().zip(after + 1..) {
            events.task.push(append.task.bytes());
            events.seq.push(integer(seq));
            events.epoch.push(integer(append.epoch));
            events.at.push(event.at.micros());
            events.v.push(i64::from(event.v));
            events.kind.push(&event.kind);
            events.body.push(&event.body);
        }
    }
    events
}

#[derive(Default)]
struct Heads<'a> {
    id: Vec<&'a [u8]>,
    last_seq: Vec<i64>,
    last_append: Vec<Option<Vec<u8>>>,
    fertile: Vec<bool>,
    status: Vec<&'static str>,
    outcome: Vec<Option<&'static str>>,
    waits_for: Vec<Option<&'static str>>,
    wake_at: Vec<Option<i64>>,
    finished_at: Vec<Option<i64>>,
    owner: Vec<Option<Vec<u8>>>,
    instance: Vec<Option<Vec<u8>>>,
    previous: Vec<&'static str>,
    barren_lives: Vec<i64>,
    lost_from: Vec<Option<Vec<u8>>>,
}

impl<'a> Heads<'a> {
    fn push(&mut self, id: &'a TaskId, head: &Head) {
        let (instance, owner) = head.life.hold.unzip();
        self.id.push(id.bytes());
        self.last_seq.push(integer(head.last_seq));
        self.last_append.push(head.last_append.map(|id| id.bytes().to_vec()));
        self.fertile.push(head.life.fertile);
        self.status.push(head.status.as_str());
        self.outcome.push(head.outcome.map(|outcome| outcome.as_str()));
        self.waits_for.push(head.waits_for.map(|reason| reason.as_str()));
        self.wake_at.push(head.wake_at.map(|at| at.micros()));
        self.finished_at.push(head.finished_at.map(|at| at.micros()));
        self.owner.push(owner.map(|id| id.bytes().to_vec()));
        self.instance.push(instance.map(|id| id.bytes().to_vec()));
        self.previous.push(head.life.previous.as_str());
        self.barren_lives.push(i64::from(head.life.barren_lives));
        self.lost_from.push(head.life.lost_from.map(|id| id.bytes().to_vec()));
    }
}

async fn write(tx: &mut Tx<'_>, locked: &Locked, written: &[(&Append, u64)]) -> Result<(), Failed> {
    let events = events(written);
    let refs: BTreeSet<(&[u8], Vec<u8>)> = written
        .iter()
        .flat_map(|(append, _)| blobs(append).map(|sha256| (append.task.bytes().as_slice(), sha256)))
        .filter_map(|(task, sha256)| Some((task, rows::sha256(sha256)?)))
        .collect();
    let (ref_tasks, ref_blobs): (Vec<&[u8]>, Vec<Vec<u8>>) = refs.into_iter().unzip();
    let (handled_tasks, handled): (Vec<&[u8]>, Vec<&[u8]>) = written
        .iter()
        .flat_map(|(append, _)| {
            append.handled.iter().map(|id| (append.task.bytes().as_slice(), id.bytes().as_slice()))
        })
        .unzip();
    let mut heads = Heads::default();
    for id in written.iter().map(|(append, _)| &append.task).collect::<BTreeSet<_>>() {
        if let Some(head) = locked.group.world.tasks.get(id) {
            heads.push(id, head);
        }
    }
    sqlx::query(WRITE)
        .bind(events.task)
        .bind(events.seq)
        .bind(events.epoch)
        .bind(events.at)
        .bind(events.v)
        .bind(events.kind)
        .bind(events.body)
        .bind(ref_tasks)
        .bind(ref_blobs)
        .bind(handled_tasks)
        .bind(handled)
        .bind(heads.id)
        .bind(heads.last_seq)
        .bind(heads.last_append)
        .bind(heads.fertile)
        .bind(heads.status)
        .bind(heads.outcome)
        .bind(heads.waits_for)
        .bind(heads.wake_at)
        .bind(heads.finished_at)
        .bind(heads.owner)
        .bind(heads.instance)
        .bind(heads.previous)
        .bind(heads.barren_lives)
        .bind(heads.lost_from)
        .bind(tx.now.micros())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Nobody resumes a finished task: its events are enough for whoever reads it.
async fn drop_snapshots(tx: &mut Tx<'_>, locked: &Locked, written: &[(&Append, u64)]) -> Result<(), Failed> {
    let finished = locked.group.finished(written);
    if finished.is_empty() {
        return Ok(());
    }
    let tasks: Vec<&[u8]> = finished.iter().map(|(_, task)| task.bytes().as_slice()).collect();
    sqlx::query("DELETE FROM snapshots WHERE task = ANY($1)")
        .bind(tasks)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// How the numbers of unfinished tasks change.
fn counts(locked: &Locked, written: &[(&Append, u64)]) -> Vec<(String, i64)> {
    let mut changes = HashMap::<&str, i64>::new();
    for id in written.iter().map(|(append, _)| append.task).collect::<BTreeSet<_>>() {
        let before = locked.group.before.get(&id).map(|(_, head)| head.status == Finished);
        let after = locked.group.world.tasks.get(&id).map(|head| head.status == Finished);
        let Some(namespace) = locked.namespaces.get(&id) else { continue };
        *changes.entry(namespace).or_default() += match (before, after) {
            (Some(false), Some(true)) => -1,
            (Some(true), Some(false)) => 1,
            _ => 0,
        };
    }
    changes.into_iter().map(|(namespace, change)| (namespace.to_owned(), change)).collect()
}
