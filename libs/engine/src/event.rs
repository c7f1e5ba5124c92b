//! What the journal of a task says. Every kind has a text and a version; a reader that meets a newer one stops.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::inbox::InboxMessage;
use holdfast_types::plan::OnEnd;
use holdfast_types::restore::Restore;
use holdfast_types::task::{ResultSource, TaskSpec};
use holdfast_types::{
    CallId, Failure, InstanceId, Key, Payload, SideEffect, StepId, TaskId, TaskOutcome, Timestamp, ToolName,
    WorkerId, time,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::Report;

mod call;
mod lost;
mod undo;
mod wait;

pub use lost::LostWindow;
pub use undo::{SettledBy, SettlingBegan};
pub use wait::CallWaits;

/// One event of a task's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)] // each variant holds the type of its name, which has the words
pub enum Event {
    Submitted(Box<Submitted>),
    LifeStarted(LifeStarted),
    Restored(Restore),
    StepEntered(StepEntered),
    StepFailed(StepFailed),
    AttemptStarted(Box<AttemptStarted>),
    AttemptNotStarted(AttemptNotStarted),
    AttemptAdopted(AttemptAdopted),
    AttemptClosed(AttemptClosed),
    AttemptEnded(AttemptEnded),
    LateOutcome(LateOutcome),
    CallReplayed(CallReplayed),
    CallFailed(CallFailed),
    CallWaits(CallWaits),
    Probed(Probed),
    StoodIn(StoodIn),
    QuestionAsked(QuestionAsked),
    MessageHandled(Box<MessageHandled>),
    VerdictReached(VerdictReached),
    SettlingBegan(SettlingBegan),
    UndoSkipped(UndoSkipped),
    ModelAnswered(ModelAnswered),
    NoteAdded(NoteAdded),
    LoopDetected(LoopDetected),
    Quarantined(Quarantined),
    Finished(Box<Finished>),
}

/// The task was accepted. Always the first event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// What it is to do, pinned for its whole life.
    pub spec: TaskSpec,
}

/// A driver took the task over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LifeStarted {
    /// The epoch of its claim.
    pub epoch: u64,
    /// Who drives.
    pub instance: InstanceId,
    /// Why there is a new life.
    pub resume: Resume,
}

/// Why a task has a new life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resume {
    /// It is the first.
    First,
    /// The one before gave the task back (a wait, a drain).
    Released,
    /// The one before ended without a word: an infrastructure crash, resumed verbatim.
    Crash,
}

/// A step's `when` and `for_each` were evaluated: once, whatever changes later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEntered {
    /// The step.
    pub step: StepId,
    /// False: the step is skipped.
    pub proceed: Proceed,
    /// The elements of the list, for a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Value>>,
}

/// What a `when` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Proceed {
    /// The step runs.
    Run,
    /// The step is skipped.
    Skip,
}

/// A step failed apart from any call: an expression of it, or its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFailed {
    /// The step.
    pub step: StepId,
    /// The item, where only one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why.
    pub failure: Failure,
}

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

/// How a call is undone, as data: it runs without the code that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoIntent {
    /// The tool that undoes.
    pub tool: ToolName,
    /// The template of its arguments, over `args`, `result`, `key`, inputs and steps.
    pub args: Value,
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

/// The key's recorded result answers the call: nothing was executed, and no undo is registered (PROTOCOL 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallReplayed {
    /// The call.
    pub call: CallId,
    /// Who executed it.
    pub from: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The recorded result, or the recorded failure.
    pub outcome: Replayed,
}

/// What a key's row answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replayed {
    /// A result.
    Result(Payload),
    /// A failure for good.
    Failure(Failure),
}

/// A call has failed apart from any attempt: nothing could be tried, or its key is another's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallFailed {
    /// The call.
    pub call: CallId,
    /// Why.
    pub failure: Failure,
}

/// A tool was asked "did key K happen?".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// The call.
    pub call: CallId,
    /// What it said.
    pub answer: Probe,
}

/// What a probe said, and what it is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Probe {
    /// It happened.
    Done {
        /// The result.
        result: Payload,
    },
    /// It did not happen, and nothing is under way any more: believed.
    NotDone,
    /// It had not happened then, but something may still be under way: asked again at the instant.
    NotYet {
        /// When to ask again.
        ask_again_at: Timestamp,
    },
    /// The tool can't tell.
    Unknown,
}

/// A fallback stands in for a call that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoodIn {
    /// The call of the fallback.
    pub call: CallId,
    /// Where the result comes from.
    pub source: ResultSource,
    /// The result.
    pub result: Payload,
    /// Where and when a last good result was recorded; none for a value, and in journals from before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// Where a result that stands in was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The task.
    pub task: TaskId,
    /// The call.
    pub call: CallId,
    /// When.
    pub at: Timestamp,
}

/// A person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionAsked {
    /// The call that waits.
    pub call: CallId,
    /// What is asked.
    pub question: Question,
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Question {
    /// "Did it happen?"
    UnknownOutcome {
        /// What is known.
        failure: Failure,
    },
    /// "May it run?" Bound to the digest (PROTOCOL 15).
    Approval {
        /// SHA-256 over all canonical arguments, the manifest, the call key and the generation, in hexadecimal.
        digest: String,
    },
    /// A question of the agent.
    Answer {
        /// The question.
        text: String,
    },
    /// "May it be undone?": other tasks were answered from the result of the call that it undoes (PROTOCOL 7).
    SharedUndo {
        /// How many tasks.
        tasks: u32,
        /// SHA-256 over all canonical arguments of the call that it undoes, in hexadecimal.
        digest: String,
    },
    /// "What now?": a critical failure after a pivot succeeded.
    AfterPivot {
        /// The failure.
        failure: Failure,
    },
}

/// A message of the inbox became an event (PROTOCOL 10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageHandled {
    /// The message.
    pub message: InboxMessage,
    /// What became of it.
    pub handling: Handling,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "handling", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Handling {
    /// It took effect.
    Accepted,
    /// It does not apply; shown in the history.
    Refused {
        /// Why.
        why: String,
    },
}

/// The task will not succeed: nothing new starts, open calls are settled, and then it ends (PROTOCOL 11).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictReached {
    /// The verdict.
    pub verdict: Verdict,
    /// What becomes of what was done.
    pub on_end: OnEnd,
}

/// Why a task will not succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// A critical step failed.
    Failed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// It was called off.
    Cancelled {
        /// Why, for people.
        reason: String,
    },
    /// Its deadline passed.
    Deadline,
}

/// An undo is not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoSkipped {
    /// The undo's call.
    pub call: CallId,
    /// Why.
    pub why: SkippedUndo,
}

/// Why an undo is not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SkippedUndo {
    /// The deed never happened.
    NeverHappened,
    /// Other tasks were answered from the same key: it stands, and is listed (PROTOCOL 7).
    SharedWith {
        /// How many tasks.
        tasks: u32,
    },
    /// The time for compensation is over.
    OutOfTime,
}

/// A model's answer, complete (DESIGN section 3; agents).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelAnswered {
    /// The turn's step.
    pub step: StepId,
    /// The model.
    pub model: String,
    /// The answer as the provider gave it: only what is new in the conversation.
    pub answer: Payload,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// A note for the model: breaker news, a reflection after a crash, a person's word (DESIGN sections 8 and 9).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoteAdded {
    /// What the note is about.
    pub about: NoteKind,
    /// The text.
    pub text: String,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoteKind {
    /// Tools that went away or came back.
    Health,
    /// What happened before a logic crash, and a request for another strategy.
    Reflection,
    /// A loop that was seen.
    Loop,
    /// A person's word.
    Person,
}

/// A loop was detected (DESIGN section 9).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoopDetected {
    /// The tool, if it is about one.
    pub tool: Option<ToolName>,
    /// What was seen.
    pub pattern: String,
    /// How far up the ladder, from 1.
    pub rung: u8,
}

/// The task killed its drivers, and is not claimed again until an operator says so (PROTOCOL 18).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// How many lives in a row brought nothing.
    pub barren_lives: u32,
}

/// The task ended. Always the last event, but for a later `Compensate` (PROTOCOL 14).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub outcome: TaskOutcome,
    /// Its output; null where there is none.
    pub output: Payload,
    /// What failed it, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What is missing, what stands in, what stands, what is unknown.
    #[serde(default)]
    pub report: Report,
    /// Free room for later: names to short texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}
