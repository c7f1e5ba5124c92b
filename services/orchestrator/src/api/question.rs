//! What a task asks people, with all that they need to decide.

use holdfast_engine::event::Question as EngineQuestion;
use holdfast_types::{CallId, Failure, Key, Payload, Timestamp, ToolName};

use super::get::Folded;

/// A question that waits for a person.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The call.
    pub call: CallId,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What is asked.
    pub question: Question,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Question {
    /// May this call be made?
    Approval {
        /// The tool.
        tool: Option<ToolName>,
        /// Its arguments; what is sensitive is redacted.
        args: Option<Payload>,
        /// What an approval is bound to.
        digest: String,
        /// Why it is asked.
        why: String,
    },
    /// A question of the task.
    Answer {
        /// The question.
        text: String,
    },
    /// What happened with this call, or what now?
    Outcome {
        /// The tool.
        tool: Option<ToolName>,
        /// Its arguments; what is sensitive is redacted.
        args: Option<Payload>,
        /// The key by which the other side may know it.
        key: Option<Key>,
        /// What is known.
        failure: Failure,
        /// How many attempts were made.
        attempts: u32,
    },
}

/// All that a task asks; what is sensitive is redacted.
pub(super) fn asked(folded: &Folded) -> Vec<Asked> {
    let redactor = &folded.redactor;
    let questions = redactor.summary(folded.task.summary()).questions;
    if questions.is_empty() {
        return Vec::new();
    }
    let calls: Vec<_> = folded.task.calls().collect();
    let ask = |view: holdfast_engine::state::QuestionView| {
        let call = calls.iter().find(|call| call.call == view.call);
        let tool = call.map(|call| call.tool.clone());
        let args = call.and_then(|call| Some(redactor.args(&call.call, &call.tool, call.args.clone()?)));
        let question = match view.question {
            EngineQuestion::Approval { digest } => {
                Question::Approval { tool, args, digest, why: "the call waits for an approval".to_owned() }
            }
            EngineQuestion::SharedUndo { tasks, digest } => {
                let why = format!("{tasks} other task(s) were answered from what it would undo");
                Question::Approval { tool, args, digest, why }
            }
            EngineQuestion::Answer { text } => Question::Answer { text },
            EngineQuestion::UnknownOutcome { failure } | EngineQuestion::AfterPivot { failure } => {
                Question::Outcome {
                    tool,
                    args,
                    key: folded.keys.get(&view.call).cloned(),
                    failure,
                    attempts: call.map_or(0, |call| call.attempts),
                }
            }
        };
        Asked { since: folded.asked_at.get(&view.call).copied(), call: view.call, question }
    };
    questions.into_iter().map(ask).collect()
}
