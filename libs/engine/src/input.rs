//! What the driver tells the engine: the answers to actions, messages, and the passing of time.

use std::time::Duration;

use holdfast_types::inbox::InboxMessage;
use holdfast_types::key::KeyRow;
use holdfast_types::last_good::LastGood;
use holdfast_types::worker::CallOutcome;
use holdfast_types::{CallId, Failure, Payload, StepId, Timestamp, WorkerId};
use serde_json::Value;

use crate::event::WorkerLifetime;

/// Something that happened outside the machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A step's `when` and `for_each` were evaluated.
    Entered {
        /// The step.
        step: StepId,
        /// The condition and the list, or the expression's failure.
        result: Result<EnteredStep, Failure>,
    },
    /// A call is ready to be sent.
    Prepared(Prepared),
    /// A call could not be prepared: an expression failed, or no worker in time.
    PrepareFailed {
        /// The call.
        call: CallId,
        /// Why; its class says whether it is tried again.
        failure: Failure,
    },
    /// There is no place for a second attempt now. No failure: the first one goes on.
    NoHedge {
        /// The call.
        call: CallId,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// How.
        outcome: CallOutcome,
    },
    /// The connection to an attempt's worker was lost; the work may go on. It is fenced next.
    AttemptLost {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// What is known.
        failure: Failure,
    },
    /// A fence was answered.
    Fenced {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// The answer.
        answer: Fenced,
    },
    /// A probe was answered, or could not be asked.
    Probed {
        /// The call.
        call: CallId,
        /// The answer; a failure is asked again later.
        answer: Result<holdfast_types::worker::ProbeAnswer, Failure>,
    },
    /// The append was refused because another holds the key: the intent was not written (PROTOCOL 3).
    /// The driver has called [`crate::Task::retract`] before.
    KeyHeld {
        /// The call.
        call: CallId,
        /// The row.
        row: Box<KeyRow>,
    },
    /// The key's row was settled or is gone, or the wait for it is over.
    KeyChanged {
        /// The call.
        call: CallId,
        /// The row now; none: it is free.
        row: Option<Box<KeyRow>>,
    },
    /// The idempotency service forbids an attempt whose intent is durable: it was not sent (PROTOCOL 13).
    Withheld {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// What the service knows of the key: another holder's row, or this call's own recorded end.
        row: Box<KeyRow>,
    },
    /// A value that stands in was evaluated.
    StoodIn {
        /// The fallback's call.
        call: CallId,
        /// The value.
        result: Result<Payload, Failure>,
    },
    /// The last good result was looked for.
    LastGood {
        /// The fallback's call.
        call: CallId,
        /// The newest there is, of whatever age; none where there is none; or why nobody knows.
        result: Result<Option<LastGood>, Failure>,
    },
    /// The output was evaluated.
    Output(Result<Payload, Failure>),
    /// A message of the inbox.
    Message(InboxMessage),
    /// Workers came or went, or a breaker lets calls through: what waits for a tool looks again.
    ToolsChanged,
    /// Time has passed: a wake-up that the engine asked for.
    Tick,
}

/// A step that was entered.
#[derive(Debug, Clone, PartialEq)]
pub struct EnteredStep {
    /// Whether the condition holds.
    pub proceed: crate::event::Proceed,
    /// The list, for a fan-out that proceeds.
    pub items: Option<Vec<Value>>,
}

/// A call that is ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The call.
    pub call: CallId,
    /// The arguments; none where they were known.
    pub args: Option<PreparedArgs>,
    /// The worker that has a place for it.
    pub worker: WorkerId,
    /// Whether that worker outlives the process that hosts its driver.
    pub lifetime: WorkerLifetime,
    /// The worker does not begin after this instant.
    pub not_after: Timestamp,
    /// The longest that the attempt may take.
    pub timeout: Duration,
}

/// Evaluated arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedArgs {
    /// The arguments, whole.
    pub args: Value,
    /// As they stand in the journal: in place, or by reference where they are large.
    pub payload: Payload,
    /// The business key's value, if the step gives one.
    pub key: Option<Value>,
}

/// The answer to a fence.
#[derive(Debug, Clone, PartialEq)]
pub enum Fenced {
    /// The worker answered.
    Answer(holdfast_types::worker::FenceAnswer),
    /// The worker is known dead by its host.
    WorkerDead,
    /// Nobody answered until the attempt's `not_after` and the clock error had passed.
    NotAfterPassed,
}
