//! Attempts: intended, not acted on, adopted, closed, ended.

use std::time::Duration;

use holdfast_types::{CallId, Failure, Key, Payload, SideEffect, Timestamp, ToolName, WorkerId, time};
use serde::{Deserialize, Serialize};

use super::LostWindow;
use super::UndoIntent;

/// The intent of an attempt: durable before the call (DESIGN section 4.4, PROTOCOL 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// The call.
    pub call: CallId,
    /// From 1.
    pub attempt: u32,
    /// The driver's epoch.
    pub epoch: u64,
    /// The tool.
    pub tool: ToolName,
    /// The class that applies to this call.
    pub side_effect: SideEffect,
    /// The arguments; absent on later attempts, which have the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Payload>,
    /// The key; the same on every attempt.
    pub key: Key,
    /// The generation of the key that is claimed: 1, or higher where what was done under it was undone.
    #[serde(default = "first_generation", skip_serializing_if = "is_first_generation")]
    pub key_generation: u32,
    /// SHA-256 over all canonical arguments, in hexadecimal.
    pub fingerprint: String,
    /// The incarnation that the attempt is bound to.
    pub worker: WorkerId,
    /// Whether the worker outlives the process that hosts its driver.
    pub lifetime: WorkerLifetime,
    /// The worker does not begin after this instant.
    pub not_after: Timestamp,
    /// The longest that the attempt may take.
    #[serde(with = "time::millis")]
    pub timeout: Duration,
    /// The undo, with the intent: it covers even a call whose outcome is never known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UndoIntent>,
    /// Where the store was restored before: this is the call's first intent since, and the lost window may hold another.
    /// A call that must not be repeated is not sent for it, but settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostWindow>,
}

fn first_generation() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_first_generation(generation: &u32) -> bool {
    *generation == 1
}

/// What the end of a worker's host says of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkerLifetime {
    /// It dies with the owner of the data folder, whose lock proves it dead (DESIGN section 4.2).
    Host,
    /// It lives on its own.
    Own,
}

/// An intent was not acted on: the durable proof (PROTOCOL 13).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptNotStarted {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// Why it was not.
    pub failure: Failure,
    /// What the driver does next.
    pub next: Next,
}

/// A running attempt of an earlier life goes on under this one (PROTOCOL 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptAdopted {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// The epoch under which it goes on.
    pub epoch: u64,
}

/// An attempt can have no effect any more that it did not have already (PROTOCOL 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptClosed {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// How it was closed.
    pub how: Closed,
}

/// How an attempt was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Closed {
    /// The worker never saw it, and refuses it from now on.
    NeverSeen,
    /// The worker stopped it before it could take effect.
    StoppedBeforeEffect,
    /// The worker stopped it after the effect may have begun.
    Interrupted,
    /// The worker is known dead by its host.
    WorkerDead,
    /// Nobody answered, and the instant after which it may not begin has passed, with the allowed clock error.
    NotAfterPassed,
    /// It is harmless to run it again, so nobody waited for it (READ_ONLY, or a tool that honours the key).
    Superseded,
}

/// An attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// How.
    pub ended: Ended,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Ended {
    /// With a result.
    Succeeded {
        /// The result.
        result: Payload,
        /// The service behind the tool answered from memory.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replayed_downstream: bool,
    },
    /// With a failure.
    Failed {
        /// The failure.
        failure: Failure,
        /// What the driver does next.
        next: Next,
    },
}

/// What follows a failed attempt; decided once and journaled, since it depends on chance and budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Next {
    /// Another attempt, not before this instant.
    Retry {
        /// The instant.
        at: Timestamp,
    },
    /// The call has failed.
    Fail,
    /// The outcome must be settled first.
    Settle,
    /// Another attempt of the call is open, and decides (a hedge, or the attempt beside which it was started).
    Await,
}

/// The outcome of an attempt came after its call was closed (PROTOCOL 12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateOutcome {
    /// The call.
    pub call: CallId,
    /// The attempt.
    pub attempt: u32,
    /// What came.
    pub ended: Ended,
}
