//! How a tool says that it failed.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::{Class, Effect, Failure, Reason, RetryHint};

/// A failure of a tool: who acts, and, where the tool knows it, whether the effect happened.
///
/// Where the tool does not know ([`ToolFailure::effect`] is none), the worker judges by how far the attempt was:
/// before the effect's check nothing happened; after it the outcome of a `VERIFIABLE` or `UNSAFE` tool is unknown.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{class}/{reason}: {message}")]
pub struct ToolFailure {
    /// Who acts.
    pub class: Class,
    /// The exact reason.
    pub reason: Reason,
    /// Whether the effect happened, where the tool knows.
    pub effect: Option<Effect>,
    /// The tool's own name of the error, looked up in the manifest's error map.
    pub code: Option<String>,
    /// One sentence for people.
    pub message: String,
    /// How long to wait before another try.
    pub retry_after: Option<Duration>,
    /// Whether that is the least time or the time.
    pub retry_hint: RetryHint,
    /// More, for programs.
    pub details: BTreeMap<String, String>,
}

impl ToolFailure {
    /// Makes a failure that says nothing of the effect.
    #[must_use]
    pub fn new(class: Class, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            effect: None,
            code: None,
            message: message.into(),
            retry_after: None,
            retry_hint: RetryHint::AtLeast,
            details: BTreeMap::new(),
        }
    }

    /// The service behind the tool does not work for now.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Class::Transient, Reason::DependencyError, message)
    }

    /// The service behind the tool asks for fewer requests.
    #[must_use]
    pub fn rate_limited(message: impl Into<String>) -> Self {
        Self::new(Class::RateLimited, Reason::RateLimited, message)
    }

    /// Only another request can help.
    #[must_use]
    pub fn semantic(message: impl Into<String>) -> Self {
        Self::new(Class::Semantic, Reason::ToolError, message)
    }

    /// The arguments are wrong in a way that their schema does not see; nothing was done.
    #[must_use]
    pub fn bad_arguments(message: impl Into<String>) -> Self {
        Self::new(Class::Semantic, Reason::BadArguments, message).not_executed()
    }

    /// What was asked for does not exist; nothing was done.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Class::Semantic, Reason::NotFound, message).not_executed()
    }

    /// Nobody can mend it now.
    #[must_use]
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Class::Permanent, Reason::Refused, message)
    }

    /// The worker has no right to do this; nothing was done.
    #[must_use]
    pub fn not_granted(message: impl Into<String>) -> Self {
        Self::new(Class::Permanent, Reason::NotGranted, message).not_executed()
    }

    /// Sets the exact reason.
    #[must_use]
    pub const fn reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// States that nothing happened.
    #[must_use]
    pub const fn not_executed(mut self) -> Self {
        self.effect = Some(Effect::NotExecuted);
        self
    }

    /// States that the effect happened although the call failed.
    #[must_use]
    pub const fn executed(mut self) -> Self {
        self.effect = Some(Effect::Executed);
        self
    }

    /// States that nobody knows whether the effect happened.
    #[must_use]
    pub const fn unknown(mut self) -> Self {
        self.effect = Some(Effect::Unknown);
        self
    }

    /// Gives the tool's own name of the error.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says how long to wait at least.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds one detail, for programs.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Failure> for ToolFailure {
    /// Takes over a failure that was classified already, its word on the effect included.
    fn from(failure: Failure) -> Self {
        Self {
            class: failure.class,
            reason: failure.reason,
            effect: Some(failure.effect),
            code: None,
            message: failure.message,
            retry_after: failure.retry_after,
            retry_hint: failure.retry_hint,
            details: failure.details,
        }
    }
}
