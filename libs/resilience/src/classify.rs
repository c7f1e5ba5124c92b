//! One shape for every failure, whatever it came from: who acts (class), whether it happened (effect), why (reason).
//!
//! Each origin has a classifier, which says what the failure is by itself; [`Context`] then decides the effect,
//! in one place: `NOT_EXECUTED` needs proof, and a `VERIFIABLE` or `UNSAFE` call without it is `AMBIGUOUS`
//! (PROTOCOL 2). The tool's own error rules refine both.

pub mod code;
pub mod grpc;
pub mod hint;
pub mod http;
pub mod io;
pub mod local;
pub mod mcp;
pub mod model_output;
pub mod process;
pub mod provider;
pub mod verdict;

use holdfast_types::manifest::ErrorRule;
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect};

use hint::{Advice, Hint};

pub use code::{Code, code};
pub use verdict::{Verdict, may_replace, may_retry};

/// Whether anything of the request can have left this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Proven not: it was refused before sending, or no connection was made.
    No,
    /// It may have.
    Maybe,
}

/// The call that failed.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The call's class, by its arguments and its step.
    pub side_effect: SideEffect,
    /// Whether anything can have left.
    pub sent: Sent,
    /// What the tool's manifest says of its errors; the first that fits wins.
    pub rules: &'a [ErrorRule],
}

/// Headers of HTTP, or metadata of gRPC: names in any case, with their values.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// The longest message of a failure, in characters; longer ones keep their beginning and their end.
pub const MESSAGE_LIMIT: usize = 2_000;

/// Classifies an error that a tool reports of itself, under a code of its own (in-process tools, MCP `isError`).
///
/// Without a rule for the code only another request can mend it (`SEMANTIC`), and nothing is known of its effect.
#[must_use]
pub fn tool_error(context: &Context<'_>, code: Option<&str>, message: &str) -> Failure {
    let mut finding = Finding::new(Class::Semantic, Reason::ToolError, message);
    finding.codes.extend(code.map(str::to_owned));
    context.conclude(finding)
}

/// What a failure is by itself, before it is known what the call may have done.
#[derive(Debug)]
pub(crate) struct Finding {
    class: Class,
    reason: Reason,
    proof: Proof,
    hint: Hint,
    message: String,
    /// Under which codes the tool's rules may know it, the most specific first.
    codes: Vec<String>,
}

/// What a failure proves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The request never arrived.
    NeverArrived,
    /// The other side answered that it refuses: proof enough where a repeat is harmless anyway.
    Refused,
    /// Nothing.
    Nothing,
}

impl Finding {
    pub(crate) fn new(class: Class, reason: Reason, message: &str) -> Self {
        Self {
            class,
            reason,
            proof: Proof::Nothing,
            hint: Hint::default(),
            message: capped(message),
            codes: Vec::new(),
        }
    }

    pub(crate) fn proof(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    pub(crate) fn hint(self, hint: Hint) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.codes.push(code.into());
        self
    }
}

impl Context<'_> {
    /// Makes the failure of a finding: effect first, because the class depends on it.
    pub(crate) fn conclude(&self, finding: Finding) -> Failure {
        let rule = self.rule(&finding);
        let effect = self.effect(finding.proof, rule);
        let class = match rule {
            Some(rule) => rule.class,
            None => advised(finding.class, finding.hint.advice),
        };
        let failure = Failure::new(self.settled(class, effect), effect, finding.reason, finding.message);
        let failure = finding.hint.wait.told(failure);
        match finding.codes.into_iter().next() {
            Some(code) => failure.detail("code", code),
            None => failure,
        }
    }

    /// The first rule that knows the most specific code, or the message.
    fn rule(&self, finding: &Finding) -> Option<&ErrorRule> {
        let first = |code| self.rules.iter().find(|rule| rule.fits(code, &finding.message));
        match finding.codes.is_empty() {
            true => first(None),
            false => finding.codes.iter().find_map(|code| first(Some(code))),
        }
    }

    fn effect(&self, proof: Proof, rule: Option<&ErrorRule>) -> Effect {
        match (self.side_effect, self.sent, proof, rule) {
            (SideEffect::ReadOnly, ..) | (_, Sent::No, ..) | (_, _, Proof::NeverArrived, _) => {
                Effect::NotExecuted
            }
            (_, _, _, Some(rule)) => rule.effect,
            (SideEffect::Idempotent, _, Proof::Refused, None) => Effect::NotExecuted,
            _ => Effect::Unknown,
        }
    }

    /// The class once the effect is known: `AMBIGUOUS` exactly where a non-repeatable call may have run.
    fn settled(&self, class: Class, effect: Effect) -> Class {
        match (self.side_effect.is_repeatable(), effect, class) {
            (false, Effect::Unknown, _) => Class::Ambiguous,
            (_, _, Class::Ambiguous) => Class::Transient,
            _ => class,
        }
    }
}

/// What the other side says of a retry, over what its status says.
const fn advised(class: Class, advice: Advice) -> Class {
    match (advice, class) {
        (Advice::Stop, Class::Transient | Class::RateLimited) => Class::Permanent,
        (Advice::Retry, Class::Semantic | Class::Permanent) => Class::Transient,
        _ => class,
    }
}

/// Keeps the beginning and the end of a long text.
#[must_use]
pub fn capped(text: &str) -> String {
    let length = text.chars().count();
    if length <= MESSAGE_LIMIT {
        return text.to_owned();
    }
    let half = MESSAGE_LIMIT / 2 - 1;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
#[path = "classify/tests.rs"]
mod tests;
