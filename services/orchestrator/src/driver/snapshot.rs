//! Snapshots: the fold is written down now and then, so that a resume reads little.

use holdfast_engine::{SnapshotMeter, Task};
use holdfast_ports::Journal;
use holdfast_types::journal::{Append, EventRow};
use holdfast_types::{TaskId, TaskStatus};

use super::{Done, Driver, Error, all_events};

/// A task that was read from its journal.
pub(super) struct Read {
    pub(super) task: Task,
    /// The events that were read: all, or those after the snapshot.
    pub(super) events: Vec<EventRow>,
    pub(super) meter: SnapshotMeter,
}

/// Reads a task: from its newest snapshot where that reads, else from the beginning.
pub(super) async fn read(journal: &dyn Journal, id: TaskId) -> Result<Read, Error> {
    let loaded = journal.load(id).await.map_err(Error::Load)?;
    let Some(snapshot) = loaded.snapshot else { return from_beginning(id, loaded.events) };
    let first = journal.events(id, 0, 1).await.map_err(Error::Load)?;
    let restored = match first.first() {
        Some(first) => Task::restore(id, first, &snapshot, &loaded.events)?,
        None => None,
    };
    match restored {
        Some(task) => {
            let mut meter = SnapshotMeter::default();
            meter.taken(snapshot.body.len());
            count(&mut meter, loaded.events.iter().map(|row| row.body.len()));
            Ok(Read { task, events: loaded.events, meter })
        }
        // Of another version, or broken: a snapshot is a hint, the journal decides.
        None => from_beginning(id, all_events(journal, id).await.map_err(Error::Load)?),
    }
}

/// Folds events that are at hand.
pub(super) fn from_beginning(id: TaskId, events: Vec<EventRow>) -> Result<Read, Error> {
    let task = Task::fold(id, &events)?;
    let mut meter = SnapshotMeter::default();
    count(&mut meter, events.iter().map(|row| row.body.len()));
    Ok(Read { task, events, meter })
}

fn count(meter: &mut SnapshotMeter, bytes: impl Iterator<Item = usize>) {
    for bytes in bytes {
        meter.event(bytes);
    }
}

impl Driver {
    /// Counts what an append made durable, and stores a snapshot where one is due and the state holds nothing that is
    /// not durable. Losing it costs reading more events. A task that has ended needs none.
    pub(super) fn snapshot_if_due(&mut self, append: &Append, last_seq: u64) {
        for event in &append.events {
            self.snapshot_due |= self.meter.event(event.body.len());
        }
        if append.row.status == TaskStatus::Finished {
            return;
        }
        if !self.snapshot_due || self.writer.is_busy() || !self.writer.pending.is_empty() {
            return;
        }
        let snapshot = match self.task.snapshot(last_seq) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(task_id = %self.claim.task, %error, "snapshot does not write");
                return;
            }
        };
        self.meter.taken(snapshot.body.len());
        self.snapshot_due = false;
        let (journal, task) = (self.shared.deps.journal.clone(), self.claim.task);
        self.work.push(Box::pin(async move {
            if let Err(error) = journal.put_snapshot(task, snapshot).await {
                tracing::warn!(task_id = %task, %error, "snapshot is not stored");
            }
            Done::Nothing
        }));
    }
}
