//! What a trace shows: one record a span.

use holdfast_engine::event::Closed;
use holdfast_engine::state::CallEnd;
use holdfast_telemetry::Coordinates;
use holdfast_telemetry::names::span;
use holdfast_types::task::StepStatus;
use holdfast_types::{Class, Direction, Effect, Failure, TaskOutcome, Timestamp, ToolName, WorkerId};

/// Something that has begun, with its end if it has one. It holds no key, no argument and no result.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stands: its id and its parent's follow from it.
    pub place: Coordinates,
    /// What it is.
    pub what: What,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; none: it is under way.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub fate: Fate,
}

impl Record {
    /// The name of its span.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.what, &self.place) {
            (What::Task { name, .. }, _) => format!("{} {name}", span::TASK),
            (What::Life { .. }, _) => span::LIFE.to_owned(),
            (What::Step { .. }, Coordinates::Step(step)) => format!("{} {step}", span::STEP),
            (What::Step { .. }, _) => span::STEP.to_owned(),
            (What::Call { tool, direction, .. }, _) => match direction {
                Direction::Forward => format!("{} {tool}", span::EXECUTE_TOOL),
                Direction::Undo => format!("{} {tool}", span::COMPENSATE),
            },
            (What::Attempt { .. }, _) => span::ATTEMPT.to_owned(),
            (What::Wait(waiting), _) => format!("{} {}", span::WAIT, waiting.as_str()),
            (What::Finish { .. }, _) => span::FINISH.to_owned(),
        }
    }

    /// How it ended, in a word; none while it is under way, and where it can end in one way only.
    #[must_use]
    pub fn how(&self) -> Option<&'static str> {
        self.ended?;
        match &self.what {
            What::Life { end, .. } => end.map(LifeEnd::as_str),
            What::Step { status } => Some(status.as_str()),
            What::Call { end, .. } => match end {
                Some(CallEnd::Succeeded) => Some("SUCCEEDED"),
                Some(CallEnd::Replayed) => Some("REPLAYED"),
                Some(CallEnd::StoodIn) => Some("STOOD_IN"),
                Some(CallEnd::Failed) => Some("FAILED"),
                Some(CallEnd::Skipped) => Some("SKIPPED"),
                Some(CallEnd::Cancelled) | None => Some("CANCELLED"),
            },
            What::Attempt { .. } => Some(match &self.fate {
                Fate::Fine => "SUCCEEDED",
                Fate::Cancelled => "CANCELLED",
                Fate::Failed { .. } => "FAILED",
                Fate::Closed(_) => "CLOSED",
            }),
            What::Finish { outcome, .. } => Some(outcome.as_str()),
            What::Task { .. } | What::Wait(_) => None,
        }
    }
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The task: a moment, its submission.
    Task {
        /// The plan's name.
        name: String,
        /// The namespace.
        namespace: String,
    },
    /// One driver's time with it.
    Life {
        /// Its epoch.
        epoch: u64,
        /// The epoch of the life before.
        before: Option<u64>,
        /// How it ended.
        end: Option<LifeEnd>,
    },
    /// A step.
    Step {
        /// Where it is, or how it ended.
        status: StepStatus,
    },
    /// A subtask, or an undo.
    Call {
        /// Its tool.
        tool: ToolName,
        /// Whether it does or undoes.
        direction: Direction,
        /// How it ended.
        end: Option<CallEnd>,
        /// How often it was tried again.
        retries: usize,
        /// Whose recorded result answered it.
        recorded_by: Option<String>,
    },
    /// One try of a call.
    Attempt {
        /// From 1.
        number: u32,
        /// The life that began it, or took it over.
        epoch: u64,
        /// Where it went.
        worker: WorkerId,
    },
    /// A wait of a call.
    Wait(Waiting),
    /// The task's end: a moment.
    Finish {
        /// How it ended.
        outcome: TaskOutcome,
        /// How many attempts were retries.
        retries: u64,
        /// How many lives it had.
        lives: u64,
    },
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEnd {
    /// With the task.
    Finished,
    /// It gave the task back.
    Released,
    /// Without a word.
    Crash,
}

impl LifeEnd {
    /// The text in spans.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Released => "released",
            Self::Crash => "crash",
        }
    }
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A moment before another attempt.
    Backoff,
    /// A worker that hosts its tool.
    Tool,
    /// A person's word.
    Person,
}

impl Waiting {
    /// The text in spans.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::Tool => "tool",
            Self::Person => "person",
        }
    }
}

/// How something ended, as far as a trace tells errors from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Without an error, or it is under way.
    Fine,
    /// Called off: no error.
    Cancelled,
    /// With a failure.
    Failed {
        /// Who acts on it.
        class: Class,
        /// Whether it happened all the same.
        effect: Effect,
        /// Why, by a name of the closed list.
        reason: &'static str,
    },
    /// An attempt of which nobody heard the end.
    Closed(&'static str),
}

impl Fate {
    /// The fate of what ended with `failure`, if it failed.
    pub(super) fn of(failure: Option<&Failure>) -> Self {
        match failure {
            None => Self::Fine,
            Some(failure) if failure.class == Class::Cancelled => Self::Cancelled,
            Some(failure) => {
                Self::Failed { class: failure.class, effect: failure.effect, reason: failure.reason.as_str() }
            }
        }
    }

    pub(super) const fn closed(how: Closed) -> Self {
        Self::Closed(match how {
            Closed::NeverSeen => "NEVER_SEEN",
            Closed::StoppedBeforeEffect => "STOPPED_BEFORE_EFFECT",
            Closed::Interrupted => "INTERRUPTED",
            Closed::WorkerDead => "WORKER_DEAD",
            Closed::NotAfterPassed => "NOT_AFTER_PASSED",
            Closed::Superseded => "SUPERSEDED",
        })
    }

    /// What a span says as `error.type`; none where it is no error.
    #[must_use]
    pub const fn error(&self) -> Option<&'static str> {
        match self {
            Self::Fine | Self::Cancelled => None,
            Self::Failed { reason, .. } | Self::Closed(reason) => Some(reason),
        }
    }
}
