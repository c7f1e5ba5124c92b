//! What concerns a model: its turns, notes for it, loops.

use holdfast_types::{Payload, StepId, ToolName};
use serde::{Deserialize, Serialize};

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
