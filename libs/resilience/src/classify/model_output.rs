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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn<'a>(stop: &'a str, text: &'a str, calls: &'a [Proposed<'a>]) -> Turn<'a> {
        Turn { stop, text, calls }
    }

    const fn call<'a>(id: &'a str, tool: &'a str, arguments: &'a str) -> Proposed<'a> {
        Proposed { id, tool, arguments }
    }

    fn known(call: &Proposed<'_>, args: &Value) -> Result<(), Failure> {
        match (call.tool, args.get("path")) {
            ("read", Some(_)) => Ok(()),
            ("read", None) => Err(classify(Flaw::BreaksSchema("/path is missing"))),
            (given, _) => Err(classify(Flaw::UnknownTool { given, known: "read" })),
        }
    }

    #[test]
    fn nothing_of_a_turn_that_was_cut_is_executed() {
        // The first call is whole, and would be valid.
        let calls = [call("1", "read", r#"{"path":"/a"}"#), call("2", "read", r#"{"path":"/ho"#)];
        for stop in ["max_tokens", "length", "max_output_tokens", "a_word_of_tomorrow"] {
            let failure = read(&turn(stop, "", &calls), known).unwrap_err();
            assert_eq!((failure.class, failure.reason), (Class::Semantic, Reason::Malformed), "{stop}");
            assert_eq!((failure.effect, failure.source), (Effect::NotExecuted, Source::Model), "{stop}");
        }
        for stop in ["refusal", "content_filter"] {
            let failure = read(&turn(stop, "", &calls), known).unwrap_err();
            assert_eq!((failure.class, failure.reason), (Class::Permanent, Reason::Refused), "{stop}");
        }
    }

    #[test]
    fn a_call_that_can_not_be_read_is_answered_and_the_others_run() {
        let calls = [
            call("1", "read", r#"{"path":"/a"}"#),
            call("2", "read", r#"{"path":"/ho"#),
            call("3", "read", ""),
            call("4", "raed", "{}"),
            call("5", "read", "[1]"),
        ];
        let Ok(Wanted::Calls(read)) = read(&turn("tool_use", "", &calls), known) else { panic!("calls") };
        let reasons: Vec<_> = read.iter().map(|one| one.arguments.as_ref().map_err(|f| f.reason)).collect();
        let good = json!({"path": "/a"});
        let wanted = [
            Ok(&good),
            Err(Reason::Malformed),
            Err(Reason::BadArguments),
            Err(Reason::NotFound),
            Err(Reason::Malformed),
        ];
        assert_eq!(reasons, wanted);
        assert_eq!(read.iter().map(|one| one.id).collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn a_turn_answers_pauses_or_is_empty() {
        assert_eq!(read(&turn("end_turn", "done", &[]), known), Ok(Wanted::Answer("done")));
        assert_eq!(read(&turn("pause_turn", "", &[]), known), Ok(Wanted::Pause));
        assert_eq!(read(&turn("stop", " ", &[]), known).unwrap_err().reason, Reason::Malformed);
        assert_eq!(read(&turn("max_tokens", "half of", &[]), known).unwrap_err().reason, Reason::Malformed);
    }

    #[test]
    fn calls_and_results_pair_one_to_one() {
        let twice = [call("1", "read", "{}"), call("1", "read", "{}")];
        let failure = read(&turn("tool_use", "", &twice), known).unwrap_err();
        assert_eq!((failure.reason, failure.source), (Reason::Internal, Source::Platform));
        assert_eq!(pair(&["1", "2"], &["2", "1"]), Ok(()));
        for (calls, results) in [
            (&["1", "2"][..], &["1"][..]),
            (&["1"], &["1", "2"]),
            (&["1"], &["1", "1"]),
            (&["1", "1"], &["1"]),
        ] {
            assert_eq!(pair(calls, results).unwrap_err().reason, Reason::Internal, "{calls:?} {results:?}");
        }
    }
}
