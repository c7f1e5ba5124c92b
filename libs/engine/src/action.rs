//! What the engine asks its driver to do. An action is performed only when all events before it are durable,
//! except where its docs say otherwise.

use std::time::Duration;

use holdfast_types::plan::{Expr, Items, Template};
use holdfast_types::{CallId, Key, Payload, SideEffect, StepId, Timestamp, ToolName, WorkerId};
use serde_json::Value;

use crate::event::UndoIntent;

/// Something to do. Each is answered by one [`crate::Input`], but for those that say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Evaluate a step's `when` and `for_each`. Pure: need not wait for an append. Answer: `Input::Entered`.
    Enter(Enter),
    /// Evaluate arguments and key, and choose a worker with a free place. Pure but for the place: need not wait.
    /// Answer: `Input::Prepared`, or `Input::PrepareFailed`.
    Prepare(Prepare),
    /// Take a place for a second attempt of a slow call, if there is one at once. Answer: `Input::Prepared`, or
    /// `Input::NoHedge`.
    Hedge(Hedge),
    /// Send an attempt to its worker. Answer: `Input::AttemptEnded`, or `Input::AttemptLost`.
    Execute(Execute),
    /// Close an attempt of an earlier life (PROTOCOL 1). Answer: `Input::Fenced`.
    Fence(Fence),
    /// Attach to a running attempt under this epoch. Answer: as of `Execute`.
    Attach(Execute),
    /// Ask the tool "did key K happen?". Answer: `Input::Probed`.
    Probe(Probe),
    /// Wait for the key's holder. Answer: `Input::KeyChanged`.
    WaitKey {
        /// The call.
        call: CallId,
        /// The key.
        key: Key,
    },
    /// Evaluate a value that stands in. Pure. Answer: `Input::StoodIn`.
    StandIn {
        /// The fallback's call.
        call: CallId,
        /// The value.
        value: Template,
    },
    /// Look for the last good result of a call's tool and arguments. Changes nothing: need not wait. Answer:
    /// `Input::LastGood`.
    LastGood(FindLastGood),
    /// Evaluate the output. Pure. Answer: `Input::Output`.
    Output {
        /// The template; none: a map of step id to result.
        template: Option<Template>,
    },
    /// Abort an attempt's work. No answer of its own: the attempt's end tells.
    Cancel {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// Where it runs.
        worker: WorkerId,
    },
    /// Abort an attempt beside which another has won. No answer of its own, and no harm if it is never performed: the
    /// call only reads.
    LetGo {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u32,
        /// Where it runs.
        worker: WorkerId,
    },
    /// Let the worker forget a recorded result. No answer, and no harm if it is never performed.
    Ack {
        /// The call.
        call: CallId,
        /// The last attempt whose outcome is recorded.
        attempt: u32,
        /// Where it ran.
        worker: WorkerId,
    },
}

/// Evaluates a step's `when` and `for_each`.
#[derive(Debug, Clone, PartialEq)]
pub struct Enter {
    /// The step.
    pub step: StepId,
    /// Its condition.
    pub when: Option<Expr>,
    /// Its list, evaluated only where the condition holds.
    pub items: Option<Items>,
}

/// Evaluates a call's arguments and chooses a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: ToolName,
    /// The arguments.
    pub args: PrepareArgs,
    /// The longest that the attempt may take: already cut to what step and task have left.
    pub timeout: Duration,
    /// When the step's or the task's time is over: no place by then is `PrepareFailed`.
    pub until: Timestamp,
    /// How long to look for a worker that hosts the tool.
    pub look: Look,
    /// The call's class, where its first intent or its step says it; else the manifest does, by the arguments.
    pub side_effect: Option<SideEffect>,
    /// The worker of the attempt before, which failed: another one with a free place is better.
    pub failed_at: Option<WorkerId>,
}

/// How long a worker that hosts a tool is looked for, before the call waits for one without a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For a short while: a worker that restarts needs a moment.
    First,
    /// Once: the call waits already.
    Again,
}

/// Takes a place for a second attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Hedge {
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: ToolName,
    /// Where the first attempt runs: the second goes elsewhere.
    pub beside: WorkerId,
    /// The longest that the attempt may take: already cut to what step and task have left.
    pub timeout: Duration,
    /// When the step's or the task's time is over.
    pub until: Timestamp,
}

/// Where a call's arguments come from.
#[derive(Debug, Clone, PartialEq)]
pub enum PrepareArgs {
    /// Evaluated now, in the step's scope.
    Template {
        /// The arguments.
        args: Template,
        /// The business key, if the step gives one.
        key: Option<Template>,
        /// The item, in a fan-out.
        item: Option<Value>,
        /// The failure that a fallback stands in for.
        failure: Option<Box<holdfast_types::Failure>>,
    },
    /// An earlier attempt's: nothing is evaluated.
    Known,
    /// An undo's: evaluated over the forward call's arguments, result and key.
    Undo {
        /// The template.
        intent: UndoIntent,
        /// The forward call's arguments.
        args: Payload,
        /// The forward call's result; null where it was never known.
        result: Payload,
        /// The forward call's key.
        key: Key,
        /// The item of the forward call's step, in a fan-out.
        item: Option<Value>,
    },
}

/// Looks for a last good result.
#[derive(Debug, Clone, PartialEq)]
pub struct FindLastGood {
    /// The fallback's call.
    pub call: CallId,
    /// The tool of the step.
    pub tool: ToolName,
    /// The arguments that the result must have had.
    pub args: SameArgs,
}

/// The arguments of the call that failed.
#[derive(Debug, Clone, PartialEq)]
pub enum SameArgs {
    /// They were evaluated: SHA-256 over their canonical form, in hexadecimal.
    Fingerprint(String),
    /// No attempt came about: they are evaluated now, in the step's scope.
    Template {
        /// The step's arguments.
        args: Template,
        /// The item, in a fan-out.
        item: Option<Value>,
    },
}

/// Sends an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// The incarnation that the intent names.
    pub worker: WorkerId,
    /// The tool.
    pub tool: ToolName,
    /// The arguments.
    pub args: Payload,
    /// The key.
    pub key: Key,
    /// The class: a READ_ONLY attempt need not wait for its intent's append.
    pub side_effect: SideEffect,
    /// The worker does not begin after this instant.
    pub not_after: Timestamp,
    /// The longest that the attempt may take.
    pub timeout: Duration,
}

/// Closes an attempt of an earlier life.
#[derive(Debug, Clone, PartialEq)]
pub struct Fence {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// The incarnation that the intent names.
    pub worker: WorkerId,
    /// Whether the end of the former owner of the data folder proves it dead.
    pub lifetime: crate::event::WorkerLifetime,
    /// Where nobody answers: when the attempt counts as closed all the same, clock error included.
    pub not_after: Timestamp,
}

/// Asks a tool whether a key happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: ToolName,
    /// The key.
    pub key: Key,
    /// The arguments.
    pub args: Payload,
}
