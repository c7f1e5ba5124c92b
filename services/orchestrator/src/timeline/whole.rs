//! The whole trace of a task, from its journal.

use std::time::Duration;

use holdfast_engine::{Event, FoldError, Task, decode};
use holdfast_telemetry::Coordinates;
use holdfast_types::journal::EventRow;
use holdfast_types::task::TaskSpec;
use holdfast_types::{TaskId, Timestamp};

use super::Timeline;
use super::record::{Fate, LifeEnd, Record, What};

/// How long before its end a process may have had what it never exported: the exporter's queue, and a slow collector.
const UNEXPORTED: Duration = Duration::from_secs(30);

/// All records of a journal.
#[derive(Debug)]
pub struct Whole {
    /// The task, folded.
    pub task: Task,
    /// Each record that is complete, with the time of the event that completed it, in the journal's order.
    pub complete: Vec<(Timestamp, Record)>,
    /// What is under way.
    pub under_way: Vec<Record>,
    timeline: Timeline,
    /// The lives: when each began, and when its last event came.
    lives: Vec<(Timestamp, Timestamp)>,
}

/// Folds a journal to its records.
///
/// # Errors
/// [`FoldError`], as for [`Task::fold`].
pub fn whole(id: TaskId, rows: &[EventRow]) -> Result<Whole, FoldError> {
    let first = rows.first().ok_or(FoldError::NoBeginning { task: id })?;
    let mut task = Task::fold(id, [first])?;
    let mut complete = vec![(first.at, submitted(task.spec()))];
    let (mut timeline, mut lives) = (Timeline::default(), Vec::new());
    for row in rows.iter().skip(1) {
        let event = decode(row)?;
        task.apply(&event, row.at)?;
        if matches!(event, Event::LifeStarted(_)) {
            lives.push((row.at, row.at));
        } else if let Some((_, last)) = lives.last_mut() {
            *last = row.at;
        }
        let records = timeline.observe(&event, row.at, &task);
        complete.extend(records.into_iter().map(|record| (row.at, record)));
        timeline.wrote(row.at);
    }
    if task.is_finished() {
        let last = rows.last().map_or(first.at, |row| row.at);
        complete.extend(timeline.life_ends(LifeEnd::Finished).map(|life| (last, life)));
    }
    let under_way = timeline.under_way(&task);
    Ok(Whole { task, complete, under_way, timeline, lives })
}

impl Whole {
    /// What the last life may have taken with it when it died: its own record, and what it, or a life before that died
    /// soon after it had begun, had not exported.
    #[must_use]
    pub fn lost(mut self) -> Vec<Record> {
        let mut since = Timestamp::from_micros(i64::MAX);
        for (began, last) in self.lives.iter().rev() {
            since = since.min(before(*last));
            if *began < since {
                break;
            }
        }
        let died = self.timeline.life_ends(LifeEnd::Crash);
        let lost = self.complete.into_iter().filter(|(at, _)| *at >= since);
        lost.map(|(_, record)| record).chain(died).collect()
    }
}

/// Since when a process that wrote its last event then may have exported nothing.
fn before(at: Timestamp) -> Timestamp {
    let micros = i64::try_from(UNEXPORTED.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.micros().saturating_sub(micros))
}

/// The task's own record: a moment, so that it stands there whatever dies.
pub(crate) fn submitted(spec: &TaskSpec) -> Record {
    let at = spec.submitted_at;
    let what = What::Task { name: spec.body.name().to_owned(), namespace: spec.namespace.to_string() };
    Record { place: Coordinates::Task, what, began: at, ended: Some(at), fate: Fate::Fine }
}
