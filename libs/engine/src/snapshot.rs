//! The fold, written down, so that a resume need not read the whole journal.
//!
//! A snapshot holds what the task knows, without the plan (which is the journal's first event) and without the marks
//! of a process. A plan's state grows with its results, so snapshots are taken at doubling distances: all of them
//! together write O(n) bytes, and a resume reads at most about twice what the task knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_types::journal::{EventRow, Snapshot};
use holdfast_types::task::TaskSpec;
use holdfast_types::{CallId, StepId, TaskId};
use serde::{Deserialize, Serialize};

use crate::event::{LostWindow, Question, Verdict};
use crate::state::{Call, Course, Pause, StepState, Tally};
use crate::{Event, FoldError, Task};

/// The version of a snapshot's body that this binary writes and reads. A snapshot is a hint: one of another version
/// is passed over, and the journal is folded from its beginning.
pub const SNAPSHOT_VERSION: u16 = 1;

/// No snapshot is taken before this many bytes of events (DESIGN section 3).
const FIRST_SNAPSHOT: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
struct Body {
    epoch: u64,
    course: Course,
    pause: Pause,
    steps: Vec<StepState>,
    calls: Vec<Call>,
    deeds: Vec<CallId>,
    undone: Vec<CallId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undo_from: Option<StepId>,
    questions: BTreeMap<CallId, Question>,
    pivot: Option<CallId>,
    doom: Option<(Verdict, holdfast_types::plan::OnEnd)>,
    tally: Tally,
    open_steps: usize,
    live_forward: usize,
    live_undos: usize,
    #[serde(default)]
    settling: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored: Option<LostWindow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreached: Vec<CallId>,
}

/// Says when the next snapshot is worth its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotMeter {
    since: usize,
    last: usize,
}

impl SnapshotMeter {
    /// Counts an event's bytes, and says whether a snapshot is due.
    pub fn event(&mut self, bytes: usize) -> bool {
        self.since += bytes;
        self.since >= self.last.max(FIRST_SNAPSHOT)
    }

    /// A snapshot of this many bytes was taken.
    pub fn taken(&mut self, bytes: usize) {
        *self = Self { since: 0, last: bytes };
    }
}

impl Task {
    /// Writes the fold down, up to and including the event `seq`. Only what is durable may be in it: call it when no
    /// append is under way.
    ///
    /// # Errors
    /// Those of serde_json, which no state causes.
    pub fn snapshot(&self, seq: u64) -> Result<Snapshot, serde_json::Error> {
        let body = Body {
            epoch: self.epoch,
            course: self.course.clone(),
            pause: self.pause,
            steps: self.steps.clone(),
            calls: self.calls.values().cloned().collect(),
            deeds: self.deeds.clone(),
            undone: self.undone.clone(),
            undo_from: self.undo_from.clone(),
            questions: self.questions.clone(),
            pivot: self.pivot.clone(),
            doom: self.doom.clone(),
            tally: self.tally,
            open_steps: self.open_steps,
            live_forward: self.live_forward,
            live_undos: self.live_undos,
            settling: self.settling,
            restored: self.restored,
            unreached: self.unreached.clone(),
        };
        Ok(Snapshot { seq, v: SNAPSHOT_VERSION, body: serde_json::to_string(&body)? })
    }

    /// Restores a task from its first event, a snapshot and the events after it.
    ///
    /// # Errors
    /// [`FoldError`] as for [`Task::fold`]. A snapshot that does not read is no error: `Ok(None)`, and the caller
    /// folds from the beginning.
    pub fn restore(
        id: TaskId,
        first: &EventRow,
        snapshot: &Snapshot,
        after: &[EventRow],
    ) -> Result<Option<Self>, FoldError> {
        let Event::Submitted(submitted) = crate::decode(first)? else {
            return Err(FoldError::NoBeginning { task: id });
        };
        if snapshot.v != SNAPSHOT_VERSION {
            return Ok(None);
        }
        let Ok(body) = serde_json::from_str::<Body>(&snapshot.body) else { return Ok(None) };
        let spec: Arc<TaskSpec> = Arc::new(submitted.spec);
        let mut task = Self::new(id, spec);
        if body.steps.len() != task.steps.len() {
            return Ok(None);
        }
        task.epoch = body.epoch;
        task.course = body.course;
        task.pause = body.pause;
        task.steps = body.steps;
        task.calls = body.calls.into_iter().map(|call| (call.id.clone(), call)).collect();
        task.deeds = body.deeds;
        task.undone = body.undone;
        task.undo_from = body.undo_from;
        task.questions = body.questions;
        task.pivot = body.pivot;
        task.doom = body.doom;
        task.tally = body.tally;
        task.open_steps = body.open_steps;
        task.live_forward = body.live_forward;
        task.live_undos = body.live_undos;
        task.settling = body.settling;
        task.restored = body.restored;
        task.unreached = body.unreached;
        task.look_at_everything();
        for row in after {
            task.apply(&crate::decode(row)?, row.at)?;
        }
        Ok(Some(task))
    }
}
