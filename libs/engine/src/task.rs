//! The machine's outer surface: fold, step, row.

use std::sync::Arc;

use holdfast_types::journal::{EventRow, Progress, RowUpdate};
use holdfast_types::key::KeyChange;
use holdfast_types::last_good::NewLastGood;
use holdfast_types::restore::Restore;
use holdfast_types::task::TaskSpec;
use holdfast_types::{CallId, TaskId, Timestamp};

use crate::event::{Event, LifeStarted, Submitted};
use crate::{Action, CodecError, Env, Input, Task};

/// A journal that does not fold.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A row does not read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The first event is not `submitted`.
    #[error("the journal of {task} does not begin with 'submitted'")]
    NoBeginning {
        /// The task.
        task: TaskId,
    },
    /// An event that no state before it allows.
    #[error("event '{kind}' is not possible here: {why}")]
    Illegal {
        /// Its kind.
        kind: &'static str,
        /// Why.
        why: String,
    },
}

/// An event that the machine emits, with what it does to the key table in the same transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// The event.
    pub event: Event,
    /// When it happened.
    pub at: Timestamp,
    /// The key changes that ride with it.
    pub keys: Vec<KeyChange>,
    /// The result that is recorded with it for later fallbacks.
    pub last_good: Option<NewLastGood>,
}

/// What one input led to: events to append, in order, and actions that these allow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// To append, in order, before the actions.
    pub events: Vec<Emitted>,
    /// To do.
    pub actions: Vec<Action>,
}

impl Step {
    /// Says whether the events hold a new outcome: only that ends a row of barren lives (PROTOCOL 18).
    #[must_use]
    pub fn progress(&self) -> Progress {
        let outcome = self.events.iter().any(|emitted| {
            matches!(
                emitted.event,
                Event::AttemptEnded(_)
                    | Event::CallReplayed(_)
                    | Event::CallFailed(_)
                    | Event::StoodIn(_)
                    | Event::MessageHandled(_)
                    | Event::ModelAnswered(_)
                    | Event::Finished(_)
            )
        });
        if outcome { Progress::Outcome } else { Progress::None }
    }
}

impl Task {
    /// The first event of a new task.
    #[must_use]
    pub fn submitted(spec: TaskSpec) -> Event {
        Event::Submitted(Box::new(Submitted { spec }))
    }

    /// Folds a journal.
    ///
    /// # Errors
    /// [`FoldError`] for rows of a newer binary, broken rows, and orders that can't be.
    pub fn fold<'a>(id: TaskId, rows: impl IntoIterator<Item = &'a EventRow>) -> Result<Self, FoldError> {
        let mut task: Option<Self> = None;
        for row in rows {
            let event = crate::decode(row)?;
            match (&mut task, event) {
                (None, Event::Submitted(submitted)) => {
                    task = Some(Self::new(id, Arc::new(submitted.spec)));
                }
                (None, _) => return Err(FoldError::NoBeginning { task: id }),
                (Some(task), event) => task.apply(&event, row.at)?,
            }
        }
        task.ok_or(FoldError::NoBeginning { task: id })
    }

    /// Begins a life: the event is the first of its first append. Emits what can be done at once.
    ///
    /// `restores` are all restores that are marked in the store, oldest mark first: those that concern the task and that
    /// its journal does not know are noted before anything is decided.
    pub fn begin(&mut self, life: LifeStarted, restores: &[Restore], env: &mut Env<'_>) -> Step {
        let mut step = Step::default();
        self.emit(Event::LifeStarted(life), env, &mut step);
        for restore in restores {
            let known = self.restored.is_some_and(|lost| restore.marked_at <= lost.until);
            if !known && self.born < restore.marked_at {
                self.emit(Event::Restored(restore.clone()), env, &mut step);
            }
        }
        self.settle_decisions(env, &mut step);
        step
    }

    /// Takes one input in, and returns what follows from it, to a fixed point.
    ///
    /// The state is then ahead of the journal: where the append of the events fails for good, the driver drops
    /// the task and folds again; a refused claim alone is taken back with [`Task::retract`].
    pub fn step(&mut self, input: Input, env: &mut Env<'_>) -> Step {
        let mut step = Step::default();
        for event in self.record(input, env) {
            self.emit(event, env, &mut step);
        }
        self.settle_decisions(env, &mut step);
        step
    }

    /// Takes an intent back whose append was refused because another holds the key: as if it had never been.
    /// The driver removes it (and its key change) from the append, sends the rest again, and then feeds
    /// `Input::KeyHeld`.
    pub fn retract(&mut self, call: &CallId) {
        self.retract_attempt(call);
    }

    /// What the task's row says now.
    #[must_use]
    pub fn row(&self) -> RowUpdate {
        self.row_update()
    }

    fn settle_decisions(&mut self, env: &mut Env<'_>, step: &mut Step) {
        loop {
            let decided = self.decide(env);
            step.actions.extend(decided.actions);
            if decided.events.is_empty() {
                return;
            }
            for event in decided.events {
                self.emit(event, env, step);
            }
        }
    }

    fn emit(&mut self, event: Event, env: &Env<'_>, step: &mut Step) {
        let keys = self.key_changes(&event);
        let last_good = self.last_good(&event, env.now);
        // The machine emits only what its own state allows; the fold of a foreign journal is where this can fail.
        let applied = self.apply(&event, env.now);
        debug_assert!(applied.is_ok(), "the machine emitted an illegal event: {applied:?}");
        step.events.push(Emitted { event, at: env.now, keys, last_good });
    }
}
