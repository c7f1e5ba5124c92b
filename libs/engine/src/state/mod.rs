//! What a task knows: the fold's state, and the marks of this process's own doings, which no journal holds.

mod call;
mod credentials;
mod index;
mod step;
mod timers;
mod traced;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_types::plan::{OnEnd, Plan};
use holdfast_types::task::{TaskBody, TaskSpec};
use holdfast_types::{CallId, Payload, StepId, TaskId, TaskOutcome, Timestamp, ToolManifest, ToolName};

pub use call::CallEnd;
pub(crate) use call::{
    Attempt, AttemptState, Awaited, Call, Grown, Phase, Pinned, Purpose, Shared, Waits, Word,
};
pub(crate) use index::Index;
pub(crate) use step::{Entry, Slot, StepState, entry_done};
pub(crate) use timers::{Timer, Timers};
pub use traced::{Course as CallCourse, TracedAttempt, TracedCall, TracedStep};
pub use views::{CallView, ItemView, QuestionView, StepResult, StepView, Summary};

use crate::event::{LostWindow, Question, Verdict};
use crate::report::Report;

/// A task, folded from its journal.
#[derive(Debug, Clone)]
pub struct Task {
    pub(crate) id: TaskId,
    pub(crate) spec: Arc<TaskSpec>,
    pub(crate) index: Arc<Index>,
    pub(crate) manifests: Arc<BTreeMap<ToolName, ToolManifest>>,
    pub(crate) epoch: u64,
    pub(crate) course: Course,
    pub(crate) pause: Pause,
    pub(crate) steps: Vec<StepState>,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// Deeds in the order in which they were completed: what an undo would undo.
    pub(crate) deeds: Vec<CallId>,
    pub(crate) undone: Vec<CallId>,
    /// Only this step and what depends on it is undone; none: all. Set where a person asked for it.
    pub(crate) undo_from: Option<StepId>,
    pub(crate) questions: BTreeMap<CallId, Question>,
    /// Set once a pivot has succeeded: nothing before it is undone any more.
    pub(crate) pivot: Option<CallId>,
    /// Why the task must end, before its verdict is journaled.
    pub(crate) doom: Option<(Verdict, OnEnd)>,
    pub(crate) tally: Tally,
    /// When the task was submitted: what a restore lost before that is not its concern.
    pub(crate) born: Timestamp,
    /// What restores have lost of its past.
    pub(crate) restored: Option<LostWindow>,
    /// Calls that had not begun when the verdict was reached, but that the lost window may hold.
    pub(crate) unreached: Vec<CallId>,
    pub(crate) open_steps: usize,
    /// Forward calls that have not ended.
    pub(crate) live_forward: usize,
    /// Undos that have not ended.
    pub(crate) live_undos: usize,
    /// Forward calls that are being settled before their undos.
    pub(crate) settling: usize,
    pub(crate) doing: Doing,
}

/// Where the task is on its way.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Course {
    /// Forward.
    Forward,
    /// A verdict was reached: open calls are settled, deeds are undone where the verdict says so.
    Ending { verdict: Verdict, on_end: OnEnd, since: Timestamp },
    /// Killed its drivers; where it was is where it goes on.
    Quarantined { before: Box<Course> },
    /// Ended.
    Finished(Box<End>),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct End {
    pub(crate) outcome: TaskOutcome,
    pub(crate) output: Payload,
    pub(crate) failure: Option<holdfast_types::Failure>,
    pub(crate) report: Report,
    pub(crate) at: Timestamp,
    /// The verdict that it ended with; none: it ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
}

/// Whether a person paused the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Pause {
    Going,
    Paused,
}

/// Durable counters (DESIGN invariant 12): folded, never refilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tally {
    pub(crate) lives: u64,
    pub(crate) retries: u64,
    pub(crate) replays: u64,
    pub(crate) notes: u64,
}

/// What this process is doing for the task. Not part of the fold: a new life begins with nothing under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doing {
    /// Calls with an unanswered action of their own.
    pub(crate) calls: BTreeMap<CallId, Busy>,
    /// Attempts with an unanswered action.
    pub(crate) attempts: BTreeMap<(CallId, u32), Working>,
    /// Attempts beside which a hedge was asked for: there is one answer, whatever it was.
    pub(crate) hedged: BTreeSet<(CallId, u32)>,
    /// Steps whose `when` or list is being evaluated.
    pub(crate) entering: BTreeSet<usize>,
    /// Whether the output is being evaluated.
    pub(crate) output: bool,
    /// Attempts that were told to stop.
    pub(crate) cancelled: BTreeSet<(CallId, u32)>,
    /// Attempts whose connection was lost in this life.
    pub(crate) lost: BTreeSet<(CallId, u32)>,
    /// The rows that refused the intents of calls.
    pub(crate) held: BTreeMap<CallId, HeldKey>,
    /// The fingerprints with which those calls asked.
    pub(crate) wanted: BTreeMap<CallId, String>,
    /// Calls whose last attempt the idempotency service has forbidden.
    pub(crate) withheld: BTreeMap<CallId, Withheld>,
    /// The generations that the rows of those keys are at, where they are free.
    pub(crate) generations: BTreeMap<CallId, u32>,
    /// Whether undos may have become ready since they were last looked at.
    pub(crate) undos: Undos,
    /// Steps to look at.
    pub(crate) steps: BTreeSet<usize>,
    /// Calls to look at.
    pub(crate) look: BTreeSet<CallId>,
    /// Attempts to let go of at their workers.
    pub(crate) ack: Vec<(CallId, u32, holdfast_types::WorkerId)>,
    /// Attempts that run beside one that has won.
    pub(crate) losers: Vec<(CallId, u32, holdfast_types::WorkerId)>,
    /// When something wants to be looked at again.
    pub(crate) timers: Timers,
}

/// Whether the order of undos is worth working out again: it reads every deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Undos {
    /// Something may have become ready.
    #[default]
    Unread,
    /// All that may run does.
    Running,
    /// As many run as may at once; more are ready.
    Queued,
}

/// The unanswered action of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Working {
    Executing,
    Fencing,
}

/// The unanswered action of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    Preparing,
    Hedging,
    Probing,
    WaitingKey,
    StandingIn,
}

/// What follows an attempt that the idempotency service has forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// Another holds the key: it is waited for before the next attempt.
    Waits,
    /// How the operation ended is recorded: the call's claim is kept, and settled with it.
    Recorded,
}

/// A row of the key table that refused an intent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeldKey {
    pub(crate) key: holdfast_types::Key,
    pub(crate) generation: u32,
    pub(crate) fingerprint: String,
    /// Since when the call waits for it.
    pub(crate) since: Timestamp,
    /// What it is, and at whom.
    pub(crate) standing: String,
}

/// How much clocks may differ before an attempt counts as closed by time alone (PROTOCOL 17).
pub(crate) const CLOCK_ERROR: Duration = Duration::from_secs(1);
/// Of a step, where neither plan nor platform says otherwise (DESIGN section 13).
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(600);
/// Of all undos together, where the plan does not say (DESIGN section 13).
pub(crate) const COMPENSATION_TIMEOUT: Duration = Duration::from_secs(600);
/// How many items of a fan-out run at once, where the plan does not say.
pub(crate) const FAN_OUT_CONCURRENCY: u32 = 100;
/// How many undos run at once.
pub(crate) const UNDO_CONCURRENCY: usize = 100;
/// A subtask that killed this many workers is poison (DESIGN section 13).
pub(crate) const POISON_KILLS: u32 = 3;

impl Task {
    pub(crate) fn new(id: TaskId, spec: Arc<TaskSpec>) -> Self {
        let TaskBody::Plan(plan) = &spec.body;
        let index = Arc::new(Index::of(plan));
        let steps = plan.steps.iter().map(|step| StepState::new(step, &index)).collect::<Vec<_>>();
        let manifests = Arc::new(
            spec.manifests.iter().map(|manifest| (manifest.name.clone(), manifest.clone())).collect(),
        );
        let mut task = Self {
            id,
            index,
            manifests,
            epoch: 0,
            course: Course::Forward,
            pause: Pause::Going,
            open_steps: steps.len(),
            live_forward: 0,
            live_undos: 0,
            settling: 0,
            steps,
            calls: BTreeMap::new(),
            deeds: Vec::new(),
            undone: Vec::new(),
            undo_from: None,
            questions: BTreeMap::new(),
            pivot: None,
            doom: None,
            tally: Tally::default(),
            born: born(id, spec.submitted_at),
            restored: None,
            unreached: Vec::new(),
            doing: Doing::default(),
            spec,
        };
        task.look_at_everything();
        task
    }

    pub(crate) fn plan(&self) -> &Plan {
        plan_of(&self.spec)
    }

    pub(crate) fn step_index(&self, id: &StepId) -> Option<usize> {
        self.index.position(id)
    }

    /// Marks everything for a look, and keeps what is under way.
    pub(crate) fn look_again(&mut self) {
        self.doing.steps.extend((0..self.steps.len()).filter(|i| !self.steps[*i].status.is_ended()));
        self.doing
            .look
            .extend(self.calls.values().filter(|call| !call.is_ended()).map(|call| call.id.clone()));
        self.doing.undos = Undos::Unread;
    }

    /// Marks everything for a look: at the beginning of a life nothing is under way.
    pub(crate) fn look_at_everything(&mut self) {
        self.doing = Doing::default();
        // What a key's row or the directory said was heard by the life that ended: the next one asks again.
        // What a dependency has asked for counts for every life.
        let heard = |call: &&mut Call| call.phase == Phase::WaitsForKey || call.waits_for_tool();
        for call in self.calls.values_mut().filter(heard) {
            call.phase = Phase::Ready { not_before: call.created_at };
        }
        self.steps.iter_mut().for_each(|step| step.next = 0);
        self.look_again();
        self.rearm_timers();
    }

    /// Where the task is, or goes on when it is let out of quarantine.
    pub(crate) fn course_beneath(&self) -> &Course {
        match &self.course {
            Course::Quarantined { before } => before,
            course => course,
        }
    }

    /// Lets the task out of quarantine.
    pub(crate) fn let_out(&mut self) {
        if let Course::Quarantined { before } = &mut self.course {
            self.course = std::mem::replace(before, Course::Forward);
            self.rearm_timers();
            self.look_again();
        }
    }

    pub(crate) fn is_forward(&self) -> bool {
        self.course == Course::Forward
    }

    pub(crate) fn busy(&self, call: &CallId) -> Option<Busy> {
        self.doing.calls.get(call).copied()
    }
}

/// When a task came about. One that is submitted again under the id that it had before may have a past.
fn born(id: TaskId, submitted_at: Timestamp) -> Timestamp {
    let made = id.uuid().get_timestamp().map(|made| made.to_unix());
    let micros = made.and_then(|(secs, nanos)| {
        i64::try_from(secs).ok()?.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))
    });
    micros.map_or(submitted_at, |micros| submitted_at.min(Timestamp::from_micros(micros)))
}

/// The plan of a spec that is at hand by itself, so that the task can change beside it.
pub(crate) fn plan_of(spec: &TaskSpec) -> &Plan {
    let TaskBody::Plan(plan) = &spec.body;
    plan
}
