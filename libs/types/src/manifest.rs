//! What a tool says of itself: its schema, its side effect, its keys, its undo and its times.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::key::KeyScope;
use crate::pattern::Pattern;
use crate::retry::RetryPolicy;
use crate::{Class, Effect, ToolName, time};

closed_list! {
    /// What a repeat of a tool's call does to the world (DESIGN section 5).
    pub enum SideEffect {
        /// A repeat is harmless.
        ReadOnly = "READ_ONLY",
        /// A repeat is harmless: by nature, or because the tool honours the key it is given.
        Idempotent = "IDEMPOTENT",
        /// A repeat is harmful, but the tool can be asked "did key K happen?".
        Verifiable = "VERIFIABLE",
        /// A repeat is harmful, and nobody can tell.
        Unsafe = "UNSAFE",
    }
}

impl SideEffect {
    /// Says whether a call of this class may be sent again although an earlier attempt may have run.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Idempotent)
    }
}

/// A rule that gives another class where an argument has one of some values (`http_request`: GET is READ_ONLY).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SideEffectRule {
    /// JSON pointer into the arguments.
    pub argument: String,
    /// Values, compared as JSON; strings in any ASCII case.
    pub values: Vec<serde_json::Value>,
    /// The class where one of them stands there.
    pub class: SideEffect,
}

closed_list! {
    /// How a key field is normalised before it is digested.
    pub enum Normalise {
        /// Blanks at both ends are dropped.
        Trim = "TRIM",
        /// ASCII letters are lowered.
        LowerCase = "LOWER_CASE",
        /// Runs of blanks become one.
        FoldBlanks = "FOLD_BLANKS",
        /// The order of a list's elements does not count.
        AsSet = "AS_SET",
    }
}

/// How a tool's operations are told apart.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct KeySpec {
    /// How far the key reaches.
    pub scope: KeyScope,
    /// JSON pointers to the arguments that make the key; empty: all arguments.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Normalisation by JSON pointer, applied in the order given.
    #[serde(default)]
    pub normalise: BTreeMap<String, Vec<Normalise>>,
    /// For how long the tool remembers a key, from the first attempt's intent; none: for ever (natural idempotence).
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Duration>,
}

impl Default for KeySpec {
    fn default() -> Self {
        Self { scope: KeyScope::Task, fields: Vec::new(), normalise: BTreeMap::new(), valid_for: None }
    }
}

/// The undo that a tool declares: another tool, and how its arguments come from the call.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct UndoSpec {
    /// The tool that undoes.
    pub tool: ToolName,
    /// Its arguments: JSON whose strings may hold `${…}` over `args`, `result` and `key`.
    pub args: serde_json::Value,
}

/// By what a rule knows an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorSign {
    /// What the tool calls the error: its own code, an HTTP status, a gRPC code's name, or an exit code.
    Code(String),
    /// What its message says, under whatever code.
    Message(Pattern),
    /// Both.
    Both {
        /// What the tool calls it.
        code: String,
        /// What its message says.
        message: Pattern,
    },
}

/// One line of a tool's error map: which of its errors mean what.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "ErrorRuleRow", into = "ErrorRuleRow")]
pub struct ErrorRule {
    /// By what the error is known.
    pub sign: ErrorSign,
    /// Who acts.
    pub class: Class,
    /// Whether the effect happened.
    pub effect: Effect,
}

impl ErrorRule {
    /// Makes a rule that knows the error by its code.
    #[must_use]
    pub fn by_code(code: impl Into<String>, class: Class, effect: Effect) -> Self {
        Self { sign: ErrorSign::Code(code.into()), class, effect }
    }

    /// Makes a rule that knows the error by its message.
    #[must_use]
    pub const fn by_message(message: Pattern, class: Class, effect: Effect) -> Self {
        Self { sign: ErrorSign::Message(message), class, effect }
    }

    /// Says whether the rule knows an error with this code (compared in any ASCII case) and message.
    #[must_use]
    pub fn fits(&self, code: Option<&str>, message: &str) -> bool {
        let is = |wanted: &str| code.is_some_and(|code| code.eq_ignore_ascii_case(wanted));
        match &self.sign {
            ErrorSign::Code(code) => is(code),
            ErrorSign::Message(pattern) => pattern.fits(message),
            ErrorSign::Both { code, message: pattern } => is(code) && pattern.fits(message),
        }
    }
}

/// A rule that knows its error by nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rule for errors needs a code, or a pattern of messages")]
pub struct NoSign;

impl ErrorSign {
    /// Makes the sign of a code, a pattern, or both.
    ///
    /// # Errors
    /// [`NoSign`] where there is neither.
    pub fn of(code: Option<String>, message: Option<Pattern>) -> Result<Self, NoSign> {
        match (code, message) {
            (Some(code), Some(message)) => Ok(Self::Both { code, message }),
            (Some(code), None) => Ok(Self::Code(code)),
            (None, Some(message)) => Ok(Self::Message(message)),
            (None, None) => Err(NoSign),
        }
    }

    /// Returns the code and the pattern apart.
    #[must_use]
    pub fn into_parts(self) -> (Option<String>, Option<Pattern>) {
        match self {
            Self::Code(code) => (Some(code), None),
            Self::Message(message) => (None, Some(message)),
            Self::Both { code, message } => (Some(code), Some(message)),
        }
    }
}

/// An [`ErrorRule`] as the journal keeps it. What has no pattern reads and hashes as before there were patterns.
#[derive(serde::Serialize, serde::Deserialize)]
struct ErrorRuleRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    matches: Option<Pattern>,
    class: Class,
    effect: Effect,
}

impl From<ErrorRule> for ErrorRuleRow {
    fn from(rule: ErrorRule) -> Self {
        let (code, matches) = rule.sign.into_parts();
        Self { code, matches, class: rule.class, effect: rule.effect }
    }
}

impl TryFrom<ErrorRuleRow> for ErrorRule {
    type Error = NoSign;

    fn try_from(row: ErrorRuleRow) -> Result<Self, NoSign> {
        let sign = ErrorSign::of(row.code, row.matches)?;
        Ok(Self { sign, class: row.class, effect: row.effect })
    }
}

/// What a tool says of itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ToolManifest {
    /// The tool's name.
    pub name: ToolName,
    /// The name at its source, where that is no valid one here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    /// For people and models: what it does.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub input_schema: serde_json::Value,
    /// JSON Schema of the result, where it is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<serde_json::Value>,
    /// The class of a call to which no rule applies.
    pub side_effect: SideEffect,
    /// Rules over the arguments that give another class; the first that applies wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub side_effect_rules: Vec<SideEffectRule>,
    /// How its operations are told apart.
    #[serde(default)]
    pub key: KeySpec,
    /// Its undo, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UndoSpec>,
    /// Whether a success can't be taken back: a pivot.
    #[serde(default)]
    pub reversibility: Reversibility,
    /// The longest that one attempt may take.
    #[serde(with = "time::millis")]
    pub attempt_timeout: Duration,
    /// How long a running call may be silent before it counts as hung; none: only the attempt's timeout counts.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Duration>,
    /// How long a request that left the worker may still be under way; none: the attempt's timeout.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub settles_within: Option<Duration>,
    /// How a call is tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// What its errors mean; the first that fits wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorRule>,
    /// The dependency that it shares with other tools, for breakers and limits; none: itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<String>,
    /// By what a half-open breaker tries its dependency.
    #[serde(default, skip_serializing_if = "TrialBy::is_usual")]
    pub trial_by: TrialBy,
    /// JSON pointers to arguments that are redacted in logs, traces and history.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitive: Vec<String>,
}

closed_list! {
    /// Whether a tool's success can be taken back.
    pub enum Reversibility {
        /// It can, by its undo, or it needs none.
        Reversible = "REVERSIBLE",
        /// It can't: a pivot (DESIGN section 5).
        Irreversible = "IRREVERSIBLE",
    }
}

closed_list! {
    /// By what a half-open breaker tries a tool's dependency (DESIGN section 6).
    pub enum TrialBy {
        /// By a call that somebody wants anyhow.
        Call = "CALL",
        /// By a trial of the tool's own, without an effect: it comes back also while nobody calls.
        Own = "OWN",
    }
}

impl TrialBy {
    const fn is_usual(&self) -> bool {
        matches!(self, Self::Call)
    }
}

#[allow(clippy::derivable_impls)] // the list's macro has no room for #[default]
impl Default for TrialBy {
    fn default() -> Self {
        Self::Call
    }
}

#[allow(clippy::derivable_impls)] // the list's macro has no room for #[default]
impl Default for Reversibility {
    fn default() -> Self {
        Self::Reversible
    }
}

impl ToolManifest {
    /// The longest that one attempt may take, where a tool says nothing (DESIGN section 13).
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

    /// Makes the manifest of a tool that says no more than it must: `UNSAFE`, keyed by task, without an undo.
    #[must_use]
    pub fn new(name: ToolName, input_schema: serde_json::Value) -> Self {
        Self {
            name,
            source_name: None,
            description: String::new(),
            input_schema,
            output_schema: None,
            side_effect: SideEffect::Unsafe,
            side_effect_rules: Vec::new(),
            key: KeySpec::default(),
            undo: None,
            reversibility: Reversibility::Reversible,
            attempt_timeout: Self::DEFAULT_ATTEMPT_TIMEOUT,
            heartbeat_timeout: None,
            settles_within: None,
            retry: RetryPolicy::default(),
            errors: Vec::new(),
            dependency: None,
            trial_by: TrialBy::Call,
            sensitive: Vec::new(),
        }
    }

    /// Returns the class of a call with these arguments: the first rule that applies, else the tool's own.
    #[must_use]
    pub fn class_of(&self, args: &serde_json::Value) -> SideEffect {
        let applies = |rule: &&SideEffectRule| {
            args.pointer(&rule.argument).is_some_and(|given| {
                rule.values.iter().any(|value| match (value.as_str(), given.as_str()) {
                    (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                    _ => value == given,
                })
            })
        };
        self.side_effect_rules.iter().find(applies).map_or(self.side_effect, |rule| rule.class)
    }

    /// Returns how long a request that left the worker may still be under way.
    #[must_use]
    pub fn settles_within(&self) -> Duration {
        self.settles_within.unwrap_or(self.attempt_timeout)
    }

    /// Returns the name under which breakers and budgets count this tool's calls.
    #[must_use]
    pub fn dependency(&self) -> &str {
        self.dependency.as_deref().unwrap_or(self.name.as_str())
    }

    /// Returns the part that execution depends on, as JSON; its digest pins the tool (DESIGN section 2).
    /// The description is not in it, nor how its breaker is tried.
    #[must_use]
    pub fn pinned_part(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.remove("description");
            object.remove("trial_by");
        }
        value
    }

    /// Says whether a replica with `other` may execute a call that was planned with this manifest: the same
    /// class, key fields and undo (the arguments are checked against its schema by value besides).
    #[must_use]
    pub fn is_compatible(&self, other: &Self) -> bool {
        self.name == other.name
            && self.side_effect == other.side_effect
            && self.side_effect_rules == other.side_effect_rules
            && self.key == other.key
            && self.undo == other.undo
            && self.reversibility == other.reversibility
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_over_arguments_give_the_class() {
        let mut manifest = ToolManifest::new(ToolName::try_new("http_request").unwrap(), json!({}));
        manifest.side_effect_rules = vec![SideEffectRule {
            argument: "/method".into(),
            values: vec![json!("GET"), json!("HEAD")],
            class: SideEffect::ReadOnly,
        }];
        assert_eq!(manifest.class_of(&json!({"method": "get"})), SideEffect::ReadOnly);
        assert_eq!(manifest.class_of(&json!({"method": "POST"})), SideEffect::Unsafe);
        assert_eq!(manifest.class_of(&json!({})), SideEffect::Unsafe);
    }

    #[test]
    fn another_description_is_the_same_tool_and_another_key_is_not_compatible() {
        let a = ToolManifest::new(ToolName::try_new("charge").unwrap(), json!({"type": "object"}));
        let mut b = a.clone();
        b.description = "charges a card".into();
        b.trial_by = TrialBy::Own;
        assert_eq!(a.pinned_part(), b.pinned_part());
        assert!(a.is_compatible(&b));
        b.key.fields = vec!["/order".into()];
        assert_ne!(a.pinned_part(), b.pinned_part());
        assert!(!a.is_compatible(&b));
    }

    #[test]
    fn a_rule_knows_an_error_by_its_code_its_message_or_both() {
        let busy = Pattern::try_new("*too many connections*").unwrap();
        let (class, effect) = (Class::Transient, Effect::NotExecuted);
        let by_code = ErrorRule::by_code("1040", class, effect);
        let by_message = ErrorRule::by_message(busy.clone(), class, effect);
        let both = ErrorRule { sign: ErrorSign::of(Some("1040".into()), Some(busy)).unwrap(), class, effect };
        let fits = |code, message| [&by_code, &by_message, &both].map(|rule| rule.fits(code, message));
        assert_eq!(fits(Some("1040"), "Too many connections!"), [true, true, true]);
        assert_eq!(fits(Some("1040"), "gone"), [true, false, false]);
        assert_eq!(fits(None, "too many connections"), [false, true, false]);
        assert_eq!(fits(Some("HY000"), "too many connections"), [false, true, false]);
    }

    #[test]
    fn rules_are_kept_as_before_and_one_that_knows_nothing_is_refused() {
        let old = json!({"code": "404", "class": "SEMANTIC", "effect": "NOT_EXECUTED"});
        let rule: ErrorRule = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rule).unwrap(), old);
        let new = json!({"matches": "*locked*", "class": "TRANSIENT", "effect": "UNKNOWN"});
        let rule: ErrorRule = serde_json::from_value(new.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rule).unwrap(), new);
        for bad in [
            json!({"class": "TRANSIENT", "effect": "UNKNOWN"}),
            json!({"code": "500", "matches": "*", "class": "TRANSIENT", "effect": "NOT_EXECUTED"}),
        ] {
            assert!(serde_json::from_value::<ErrorRule>(bad).is_err());
        }
    }
}
