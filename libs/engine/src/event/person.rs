//! Questions to people, and messages from outside.

use holdfast_types::inbox::InboxMessage;
use holdfast_types::{CallId, Failure};
use serde::{Deserialize, Serialize};

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
