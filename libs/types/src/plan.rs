//! A plan after validation: what PLAN.md's document means. Parsing and checking are in `holdfast-plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::retry::RetryOverride;
use crate::{SideEffect, StepId, ToolName, time};

/// A place in a plan's source: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A JSON value whose strings may hold `${…}`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// No expression in it: the value itself (a doubled `$${` is already a single one).
    Literal(Value),
    /// At least one expression.
    Dynamic {
        /// The value as written, `$${` included.
        value: Value,
        /// Where the expressions stand in the source, by JSON pointer into `value`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        places: BTreeMap<String, Place>,
    },
}

impl Template {
    /// Returns the value as written.
    #[must_use]
    pub const fn value(&self) -> &Value {
        match self {
            Self::Literal(value) | Self::Dynamic { value, .. } => value,
        }
    }
}

/// A bare CEL expression (`when`, `for_each`).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Expr {
    /// The expression, without `${` and `}`.
    pub source: String,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

closed_list! {
    /// What a subtask's failure means for its task (DESIGN section 7).
    pub enum Importance {
        /// Its failure is the task's.
        Critical = "CRITICAL",
        /// A fallback stands in.
        Degradable = "DEGRADABLE",
        /// Its failure is noted and skipped.
        Optional = "OPTIONAL",
    }
}

closed_list! {
    /// What happens to what was done when the task does not succeed.
    pub enum OnEnd {
        /// The undos run, in reverse order of completion.
        Compensate = "COMPENSATE",
        /// What was done stands.
        Keep = "KEEP",
    }
}

closed_list! {
    /// What becomes of the members that still run when a group's quorum stands.
    pub enum Rest {
        /// The group ends when all have ended.
        Wait = "WAIT",
        /// They are cancelled.
        Cancel = "CANCEL",
    }
}

/// A validated plan. Step ids are unique, references are dependencies, there is no cycle.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// The plan's name.
    pub name: String,
    /// The file that it came from, for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The inputs that it takes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Input>,
    /// Of the whole task, from its submission; none: the platform's default.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// Labels of the task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// After a failure or a passed deadline.
    pub on_failure: OnEnd,
    /// After a cancel.
    pub on_cancel: OnEnd,
    /// How long the undos may take in all; none: the platform's default.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub compensation_timeout: Option<Duration>,
    /// The steps in the written order; a group's members stand right after it.
    pub steps: Vec<Step>,
    /// The output; none: a map of step id to result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Template>,
}

/// An input of a plan.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Input {
    /// JSON Schema of the value.
    pub schema: Value,
    /// The value where the caller gives none; none: the input is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A node of a plan.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// Unique in the plan.
    pub id: StepId,
    /// What it does.
    pub kind: StepKind,
    /// All steps that must have ended before it starts: `depends_on` and each that an expression of it names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub depends_on: BTreeSet<StepId>,
    /// Evaluated once when the dependencies have ended; false: the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expr>,
    /// What its failure means (of a fan-out: of each item).
    pub importance: Importance,
    /// Of the whole step: attempts, waits, fallbacks; none: the platform's default.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The group that it is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<StepId>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// One call of a tool.
    Call(CallSpec),
    /// One call an element of a list.
    FanOut(FanOut),
    /// Steps that count together.
    Group(Group),
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CallSpec {
    /// The tool.
    pub tool: ToolName,
    /// Its arguments: an object.
    pub args: Template,
    /// A business key with scope namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Template>,
    /// In place of the manifest's class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_effect: Option<SideEffect>,
    /// Of one attempt; none: the tool's.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<Duration>,
    /// Over the tool's own policy.
    #[serde(default)]
    pub retry: RetryOverride,
    /// Starts a second attempt after this long; only READ_ONLY (PROTOCOL 2).
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub hedge_after: Option<Duration>,
    /// Tried in order after the retries are spent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<Fallback>,
    /// The undo.
    pub undo: Undo,
}

/// What stands in for a call that failed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Another tool.
    Tool {
        /// The tool.
        tool: ToolName,
        /// Its arguments.
        args: Template,
    },
    /// The newest recorded result of the same tool and arguments, not older than this many milliseconds.
    LastGood {
        /// The greatest age.
        #[serde(with = "time::millis")]
        max_age: Duration,
    },
    /// A value.
    Value(Template),
}

/// How a step's call is undone.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// As the tool's manifest says; not at all where it says nothing.
    Manifest,
    /// Not at all: a statement.
    None,
    /// It can't be: a pivot.
    Irreversible,
    /// By this tool.
    Tool {
        /// The tool.
        tool: ToolName,
        /// Its arguments, over `args`, `result`, `key`, inputs and steps that this step depends on.
        args: Template,
    },
}

/// One call an element of a list.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FanOut {
    /// The list.
    pub items: Items,
    /// What is called for each, with `item` and `index`.
    pub call: CallSpec,
    /// How many run at once; none: the platform's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many must succeed.
    pub quorum: Quorum,
}

/// The list of a fan-out.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Items {
    /// Written in the plan.
    Literal(Vec<Value>),
    /// Evaluated once, and journaled.
    Expr(Expr),
}

/// Steps that count together.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// The members, in the written order.
    pub members: Vec<StepId>,
    /// How many must succeed.
    pub quorum: Quorum,
    /// What becomes of those that still run when the quorum stands.
    pub rest: Rest,
}

/// How many members or items must succeed or be degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quorum {
    /// All, if they are CRITICAL; none otherwise.
    ByImportance,
    /// At least this many.
    AtLeast(u32),
    /// At least this part of the total, in percent, rounded up; 0 to 100.
    Percent(u8),
}

impl Quorum {
    /// Returns how many of `total` must succeed.
    #[must_use]
    pub fn needed(self, total: usize, importance: Importance) -> usize {
        match self {
            Self::ByImportance if importance == Importance::Critical => total,
            Self::ByImportance => 0,
            Self::AtLeast(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Self::Percent(percent) => (total * usize::from(percent)).div_ceil(100),
        }
    }
}

impl Plan {
    /// Finds a step by id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// Every tool that the plan names: steps', fallbacks' and undos'.
    #[must_use]
    pub fn tools(&self) -> BTreeSet<&ToolName> {
        let mut tools = BTreeSet::new();
        for step in &self.steps {
            let Some(call) = step.call() else { continue };
            tools.insert(&call.tool);
            for fallback in &call.fallback {
                if let Fallback::Tool { tool, .. } = fallback {
                    tools.insert(tool);
                }
            }
            if let Undo::Tool { tool, .. } = &call.undo {
                tools.insert(tool);
            }
        }
        tools
    }
}

impl Step {
    /// Returns what the step calls; none for a group.
    #[must_use]
    pub const fn call(&self) -> Option<&CallSpec> {
        match &self.kind {
            StepKind::Call(call) => Some(call),
            StepKind::FanOut(fan_out) => Some(&fan_out.call),
            StepKind::Group(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_up_over_the_total() {
        assert_eq!(Quorum::Percent(80).needed(3, Importance::Critical), 3);
        assert_eq!(Quorum::Percent(50).needed(3, Importance::Critical), 2);
        assert_eq!(Quorum::Percent(0).needed(3, Importance::Critical), 0);
        assert_eq!(Quorum::ByImportance.needed(3, Importance::Optional), 0);
        assert_eq!(Quorum::ByImportance.needed(3, Importance::Critical), 3);
        assert_eq!(Quorum::AtLeast(2).needed(3, Importance::Critical), 2);
    }
}
