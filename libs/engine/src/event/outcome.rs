//! How calls end apart from an attempt: replayed, failed, probed, stood in for.

use holdfast_types::task::ResultSource;
use holdfast_types::{CallId, Failure, Key, Payload, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

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
    /// The key whose row has it, so that a fork of this task can rely on the same row; none for what changed nothing,
    /// and in journals from before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RecordedKey>,
}

/// The row of the key table that has a recorded outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedKey {
    /// The key.
    pub key: Key,
    /// The generation that has the outcome.
    pub generation: u32,
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
