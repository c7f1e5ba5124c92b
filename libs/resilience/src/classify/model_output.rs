//! Turns of a model that can't be used as they are: cut, refused, empty, or with calls that can't be read.
//!
//! A turn's calls are reached only through [`read`], so that nothing of a turn that was cut is executed.

use std::collections::BTreeSet;

use holdfast_types::{Class, Effect, Failure, Reason, Source};
use serde_json::Value;

use super::capped;

/// A turn as the provider gave it.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Why it stopped, in the provider's word (`end_turn`, `tool_calls`, …).
    pub stop: &'a str,
    /// What it says, without its calls.
    pub text: &'a str,
    /// The calls that it wants.
    pub calls: &'a [Proposed<'a>],
}

/// A call as the model wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Proposed<'a> {
    /// The provider's id, which the result must name.
    pub id: &'a str,
    /// The tool's name.
    pub tool: &'a str,
    /// The arguments, as JSON text.
    pub arguments: &'a str,
}

/// What a whole turn asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted<'a> {
    /// Calls, in the model's order; one that can't be read is answered with its failure, the others run.
    Calls(Vec<Read<'a>>),
    /// Nothing more: this is the answer.
    Answer(&'a str),
    /// To be asked on, with what it wrote so far (`pause_turn`).
    Pause,
}

/// A call that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<'a> {
    /// The provider's id.
    pub id: &'a str,
    /// The tool's name.
    pub tool: &'a str,
    /// The arguments, or why the call can't be made.
    pub arguments: Result<Value, Failure>,
}

/// What is wrong with a turn, or with one of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw<'a> {
    /// It was cut at the limit of its length, with a call at its end.
    CutCall,
    /// It was cut at the limit of its length.
    CutText,
    /// It stopped for a reason that nobody here knows: it may have been cut.
    UnknownStop(&'a str),
    /// The prompt and the turn fill the model's window.
    WindowFull,
    /// The model, or a filter around it, refused.
    Refused,
    /// It says nothing, and wants nothing.
    Empty,
    /// The arguments are no JSON object; what the parser says.
    NoJson(&'a str),
    /// The arguments break the tool's schema; all that is wrong.
    BreaksSchema(&'a str),
    /// There is no such tool; the nearest names, or nothing.
    UnknownTool {
        /// The name that was given.
        given: &'a str,
        /// Names that exist, to choose from.
        known: &'a str,
    },
    /// Two calls have one id, or a call and its result don't pair.
    Unpaired(&'a str),
}

/// Reads a turn. `check` says what is wrong with a call whose arguments are an object: an unknown tool, or arguments
/// that break its schema.
///
/// # Errors
/// The failure of the whole turn: nothing of it is executed.
pub fn read<'a>(
    turn: &Turn<'a>,
    check: impl Fn(&Proposed<'a>, &Value) -> Result<(), Failure>,
) -> Result<Wanted<'a>, Failure> {
    let flaw = match turn.stop {
        "end_turn" | "tool_use" | "stop_sequence" | "stop" | "tool_calls" | "function_call" => None,
        "pause_turn" => return Ok(Wanted::Pause),
        "max_tokens" | "length" | "max_output_tokens" if turn.calls.is_empty() => Some(Flaw::CutText),
        "max_tokens" | "length" | "max_output_tokens" => Some(Flaw::CutCall),
        "model_context_window_exceeded" => Some(Flaw::WindowFull),
        "refusal" | "content_filter" => Some(Flaw::Refused),
        other => Some(Flaw::UnknownStop(other)),
    };
    if let Some(flaw) = flaw {
        return Err(classify(flaw));
    }
    let mut ids = BTreeSet::new();
    if let Some(twice) = turn.calls.iter().find(|call| !ids.insert(call.id)) {
        return Err(classify(Flaw::Unpaired(twice.id)));
    }
    match (turn.calls, turn.text.trim()) {
        ([], "") => Err(classify(Flaw::Empty)),
        ([], _) => Ok(Wanted::Answer(turn.text)),
        (calls, _) => Ok(Wanted::Calls(calls.iter().map(|call| one(call, &check)).collect())),
    }
}

fn one<'a>(call: &Proposed<'a>, check: impl Fn(&Proposed<'a>, &Value) -> Result<(), Failure>) -> Read<'a> {
    // Providers send an empty text for a call without arguments.
    let text = if call.arguments.trim().is_empty() { "{}" } else { call.arguments };
    let arguments = match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() => check(call, &value).map(|()| value),
        Ok(_) => Err(classify(Flaw::NoJson("an object is expected"))),
        Err(error) => Err(classify(Flaw::NoJson(&error.to_string()))),
    };
    Read { id: call.id, tool: call.tool, arguments }
}

/// Checks that each call has one result, and each result its call, before a transcript is sent.
///
/// # Errors
/// The first id that has no counterpart.
pub fn pair(calls: &[&str], results: &[&str]) -> Result<(), Failure> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    let twice = calls.iter().find(|id| !open.insert(id));
    let stray = twice.or_else(|| results.iter().find(|id| !open.remove(**id)));
    match stray.copied().or_else(|| open.first().copied()) {
        Some(id) => Err(classify(Flaw::Unpaired(id))),
        None => Ok(()),
    }
}

/// Classifies a flaw. Nothing was executed, whatever it is.
#[must_use]
pub fn classify(flaw: Flaw<'_>) -> Failure {
    use Class::{Permanent, Semantic};
    let (class, reason, message) = match flaw {
        Flaw::CutCall => (
            Semantic,
            Reason::Malformed,
            "the turn was cut in the middle of a call: nothing of it ran".into(),
        ),
        Flaw::CutText => (Semantic, Reason::Malformed, "the turn was cut at the limit of its length".into()),
        Flaw::UnknownStop(word) => {
            (Semantic, Reason::Malformed, format!("the turn stopped for an unknown reason: {word}"))
        }
        Flaw::Empty => (Semantic, Reason::Malformed, "the turn says nothing and calls nothing".into()),
        Flaw::NoJson(why) => (Semantic, Reason::Malformed, format!("the arguments can't be read: {why}")),
        Flaw::BreaksSchema(why) => {
            (Semantic, Reason::BadArguments, format!("the arguments break the tool's schema: {why}"))
        }
        Flaw::UnknownTool { given, known } => {
            (Semantic, Reason::NotFound, format!("there is no tool {given}; there is: {known}"))
        }
        Flaw::WindowFull => (Permanent, Reason::TooLarge, "the model's window is full".into()),
        Flaw::Refused => (Permanent, Reason::Refused, "the model refused".into()),
        Flaw::Unpaired(id) => {
            (Permanent, Reason::Internal, format!("the call {id} and its result don't pair"))
        }
    };
    let source = match flaw {
        Flaw::Unpaired(_) => Source::Platform,
        _ => Source::Model,
    };
    Failure::new(class, Effect::NotExecuted, reason, capped(&message)).from_source(source)
}
