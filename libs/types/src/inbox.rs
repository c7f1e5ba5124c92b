//! The inbox of a task: what comes from outside, until its driver turns it into events (PROTOCOL 10).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plan::OnEnd;
use crate::{CallId, MessageId, Payload, StepId, TaskId, Timestamp};

/// A message as it stands in a task's inbox.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InboxMessage {
    /// Unique: the same id twice is one message.
    pub id: MessageId,
    /// The task.
    pub task: TaskId,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who sent it, as far as known: shown in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it says.
    pub message: Message,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// End the task; open calls are settled first.
    Cancel {
        /// What becomes of what was done; none: as the plan says.
        #[serde(default)]
        on_cancel: Option<OnEnd>,
        /// Why, for people.
        #[serde(default)]
        reason: String,
    },
    /// A person's decision on a waiting call, bound to its digest (PROTOCOL 15).
    Approve {
        /// The call.
        call: CallId,
        /// SHA-256 over all canonical arguments and the manifest, in hexadecimal; another one is refused.
        digest: String,
        /// Yes or no.
        decision: Decision,
        /// Arguments in place of the waiting ones: makes a new digest.
        #[serde(default)]
        edited_args: Option<Value>,
    },
    /// An answer to a question of the agent.
    Answer {
        /// The call that asks.
        call: CallId,
        /// The answer.
        answer: Value,
    },
    /// A person's word on an outcome that nobody knows.
    ResolveOutcome {
        /// The call.
        call: CallId,
        /// What happened.
        resolution: Resolution,
        /// Why, for people.
        #[serde(default)]
        reason: String,
    },
    /// A note for the model.
    Inject {
        /// The note.
        note: String,
    },
    /// Start nothing new until `Resume`.
    Pause,
    /// Go on: after `Pause`, or out of quarantine.
    Resume {
        /// A note for the model, if any.
        #[serde(default)]
        note: Option<String>,
    },
    /// Undo what a finished task did (PROTOCOL 14).
    Compensate {
        /// Only this step and all that depends on it; none: all.
        #[serde(default)]
        from: Option<StepId>,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A worker came: what waits for a tool looks again. Sent by an orchestrator.
    ToolsChanged,
    /// A child task has ended.
    ChildEnded {
        /// The call that started it.
        call: CallId,
        /// The child.
        child: TaskId,
        /// How, as JSON.
        outcome: BTreeMap<String, Value>,
    },
}

closed_list! {
    /// A person's yes or no.
    pub enum Decision {
        /// Yes.
        Approved = "APPROVED",
        /// No.
        Rejected = "REJECTED",
    }
}

/// What a person says of an outcome that nobody knows.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "resolution", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// It happened, with this result.
    Happened {
        /// The result.
        result: Payload,
    },
    /// It did not happen, and is not to be tried again: the call has failed.
    DidNotHappen,
    /// It did not happen: run it again. This word is itself the approval (PROTOCOL 15).
    RunAgain,
}
