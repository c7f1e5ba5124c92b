//! What the detector is told of a turn, and the fingerprints that it keeps.

use std::collections::BTreeSet;

use holdfast_types::ToolName;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::canon;

/// One call of a turn, as the model sees it: transport retries are no calls, replays are.
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// The tool.
    pub tool: &'a ToolName,
    /// The arguments, without what is volatile (see [`masked`]).
    pub args: &'a Value,
    /// How it ended.
    pub end: End<'a>,
    /// What kind of call it is.
    pub kind: CallKind,
}

/// How a call ended before the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// With a result.
    Result {
        /// A digest of the result, without what is volatile.
        digest: &'a str,
    },
    /// With an error.
    Error {
        /// Its class and reason, or the tool's code: what is the same where the error is the same.
        key: &'a str,
        /// A digest of all its text.
        digest: &'a str,
    },
    /// It was not made, because its tool is withheld: it counts as what it last led to.
    Withheld,
}

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// One that leads somewhere.
    Usual,
    /// One that waits for something to change, and may be repeated for longer.
    Poll,
}

/// Replaces what stands at `volatile` (JSON pointers: a time, a request id) with null.
#[must_use]
pub fn masked(value: &Value, volatile: &[String]) -> Value {
    let mut value = value.clone();
    for pointer in volatile {
        if let Some(found) = value.pointer_mut(pointer) {
            *found = Value::Null;
        }
    }
    value
}

/// A digest of what a turn asked and what it led to; 128 bits of SHA-256, in hexadecimal.
pub(super) type Fingerprint = String;

/// The fingerprint of what a call asks for.
pub(super) fn of_question(call: &Call<'_>) -> Fingerprint {
    digest(&[call.tool.as_str(), &canon::unbounded(call.args)])
}

/// The fingerprint of a call with its end.
pub(super) fn of_call(question: &str, end: End<'_>) -> Fingerprint {
    match end {
        End::Result { digest: result } => digest(&[question, "result", result]),
        End::Error { key, digest: text } => digest(&[question, "error", key, text]),
        End::Withheld => digest(&[question, "withheld"]),
    }
}

/// The fingerprint of a turn: of its different calls, in whatever order and however often.
pub(super) fn of_turn(calls: &BTreeSet<Fingerprint>) -> Fingerprint {
    let parts: Vec<&str> = calls.iter().map(String::as_str).collect();
    digest(&parts)
}

fn digest(parts: &[&str]) -> Fingerprint {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_string());
        hasher.update(":");
        hasher.update(part);
    }
    let mut text = hex::encode(hasher.finalize());
    text.truncate(32);
    text
}
