//! Where an expression stands decides which variables it may read.

use std::fmt::Write as _;

/// The fields of a step, as others read it.
pub(crate) const STEP_FIELDS: [&str; 6] =
    ["status", "result", "failure", "attempts", "source", "recorded_at"];

/// The fields that a fan-out and a group have besides.
pub(crate) const GROUP_FIELDS: [&str; 2] = ["items", "summary"];

/// The fields of a failure.
pub(crate) const FAILURE_FIELDS: [&str; 4] = ["class", "outcome", "reason", "message"];

/// The fields of `steps.ID.summary`.
pub(crate) const SUMMARY_FIELDS: [&str; 6] =
    ["total", "succeeded", "degraded", "failed", "skipped", "cancelled"];

/// The fields of `task`.
pub(crate) const TASK_FIELDS: [&str; 4] = ["id", "namespace", "labels", "submitted_at"];

/// A place for expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// `when`, `for_each` and `output`: the task and what it knows.
    Plain,
    /// A call's arguments and key.
    Call {
        /// Whether there is an item.
        fan_out: bool,
    },
    /// A fallback's arguments and value.
    Fallback {
        /// Whether there is an item.
        fan_out: bool,
    },
    /// An undo's arguments.
    Undo {
        /// Whether there is an item.
        fan_out: bool,
    },
    /// The `local` section.
    Local,
}

impl Spot {
    /// Names the variables besides `steps`.
    pub(crate) fn variables(self) -> Vec<&'static str> {
        let (own, fan_out): (&[_], _) = match self {
            Self::Local => return vec!["inputs"],
            Self::Plain => (&[], false),
            Self::Call { fan_out } => (&[], fan_out),
            Self::Fallback { fan_out } => (&["failure"], fan_out),
            Self::Undo { fan_out } => (&["args", "result", "key"], fan_out),
        };
        let items: &[_] = if fan_out { &["item", "index"] } else { &[] };
        [&["inputs", "task"], own, items].concat()
    }

    /// Says why `name` can't be read here.
    pub(crate) fn refusal(self, name: &str) -> String {
        let mut message = format!("there is no variable '{name}' here");
        let place = match name {
            "item" | "index" => "in the calls of a step with 'for_each'",
            "failure" => "in a fallback",
            "args" | "result" | "key" => "in an undo",
            "task" | "steps" => "where the task runs",
            _ => return message,
        };
        // Writing to a string can't fail.
        let _ = write!(message, "; it is known {place} only");
        message
    }
}
