//! The one shape of failure: who acts (class), whether it happened (effect), and the exact reason.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time;

closed_list! {
    /// Who acts on a failure (DESIGN section 6).
    pub enum Class {
        /// The program tries again, with backoff; the model never sees it.
        Transient = "TRANSIENT",
        /// The program waits what it was told to, and slows that dependency.
        RateLimited = "RATE_LIMITED",
        /// The model (or the plan's author) mends its request; the program does not retry.
        Semantic = "SEMANTIC",
        /// Nobody can mend it now: this path is closed.
        Permanent = "PERMANENT",
        /// A non-repeatable call was sent, and nobody knows whether it took effect.
        Ambiguous = "AMBIGUOUS",
        /// Not tried: a breaker is open, or no worker hosts the tool.
        Unavailable = "UNAVAILABLE",
        /// The caller, or the task's end, called it off.
        Cancelled = "CANCELLED",
        /// A layer of time ran out.
        Deadline = "DEADLINE",
        /// The worker died, or the tool panicked.
        Crashed = "CRASHED",
    }
}

closed_list! {
    /// Whether the effect of a call happened. The join over attempts is the maximum (PROTOCOL 2):
    /// `EXECUTED` > `UNKNOWN` > `NOT_EXECUTED`.
    pub enum Effect {
        /// Proven not to have happened.
        NotExecuted = "NOT_EXECUTED",
        /// It may have happened.
        Unknown = "UNKNOWN",
        /// It happened.
        Executed = "EXECUTED",
    }
}

impl Effect {
    /// Joins the effects of two attempts of one call: the greater stands, a later refusal never lowers it.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        self.max(other)
    }
}

closed_list! {
    /// Where a failure comes from.
    pub enum Source {
        /// A tool, or the service behind it.
        Tool = "TOOL",
        /// A model, or its provider.
        Model = "MODEL",
        /// A store of Holdfast.
        Store = "STORE",
        /// Holdfast itself.
        Platform = "PLATFORM",
    }
}

closed_list! {
    /// The exact reason of a failure: a closed list, checked against `docs/errors.md`.
    pub enum Reason {
        /// The connection was refused, or no name resolved: nothing was sent.
        ConnectFailed = "CONNECT_FAILED",
        /// The connection broke after the request was sent.
        ConnectionLost = "CONNECTION_LOST",
        /// The dependency answered that it is not available for now.
        DependencyUnavailable = "DEPENDENCY_UNAVAILABLE",
        /// The dependency answered with an error of its own (5xx, INTERNAL, UNKNOWN).
        DependencyError = "DEPENDENCY_ERROR",
        /// The dependency asks for fewer requests.
        RateLimited = "RATE_LIMITED",
        /// A quota is used up for longer than waiting makes sense.
        QuotaExhausted = "QUOTA_EXHAUSTED",
        /// One attempt took longer than it may.
        AttemptTimeout = "ATTEMPT_TIMEOUT",
        /// A step took longer than it may, over all its attempts.
        StepTimeout = "STEP_TIMEOUT",
        /// The task's deadline passed.
        TaskDeadline = "TASK_DEADLINE",
        /// A running call stopped giving signs of life.
        HeartbeatLost = "HEARTBEAT_LOST",
        /// The arguments break the tool's schema.
        BadArguments = "BAD_ARGUMENTS",
        /// An expression of the plan could not be evaluated.
        BadReference = "BAD_REFERENCE",
        /// What was asked for does not exist.
        NotFound = "NOT_FOUND",
        /// The dependency refuses in its present state.
        FailedPrecondition = "FAILED_PRECONDITION",
        /// The tool reports an error of its own that only another request can mend.
        ToolError = "TOOL_ERROR",
        /// A program ended with a non-zero exit code.
        ExitCode = "EXIT_CODE",
        /// The tool's answer is not what its manifest promises.
        BadResult = "BAD_RESULT",
        /// A model's output could not be read.
        Malformed = "MALFORMED",
        /// A model or a policy refused.
        Refused = "REFUSED",
        /// The same key came with other arguments.
        KeyMismatch = "KEY_MISMATCH",
        /// The key is held by another call whose outcome is not known.
        KeyInDoubt = "KEY_IN_DOUBT",
        /// The store was restored from a backup, and the call may have run in the window that was lost with it.
        StoreRestored = "STORE_RESTORED",
        /// The key was undone, and a late call met its tombstone.
        KeyTombstone = "KEY_TOMBSTONE",
        /// The key that a resume needs is older than anybody remembers.
        KeyExpired = "KEY_EXPIRED",
        /// Missing or wrong credentials.
        Unauthenticated = "UNAUTHENTICATED",
        /// A call of the platform carries no token, and needs one.
        MissingToken = "MISSING_TOKEN",
        /// A call of the platform carries a token that does not open what it asks for.
        WrongToken = "WRONG_TOKEN",
        /// Not allowed.
        PermissionDenied = "PERMISSION_DENIED",
        /// What was asked for has not been granted to the worker (a program, a folder, a host, a secret).
        NotGranted = "NOT_GRANTED",
        /// No such operation.
        Unimplemented = "UNIMPLEMENTED",
        /// No live worker hosts the tool, or none that is compatible.
        ToolGone = "TOOL_GONE",
        /// The worker is stopping, and takes no new calls: another one is asked.
        Draining = "DRAINING",
        /// No worker has a free place in time.
        NoCapacity = "NO_CAPACITY",
        /// A breaker is open.
        CircuitOpen = "CIRCUIT_OPEN",
        /// The retry budget is spent.
        RetryBudgetExhausted = "RETRY_BUDGET_EXHAUSTED",
        /// Larger than a limit.
        TooLarge = "TOO_LARGE",
        /// The worker refuses an epoch that is lower than one it was shown.
        StaleEpoch = "STALE_EPOCH",
        /// The call is addressed to another incarnation of the worker.
        WrongIncarnation = "WRONG_INCARNATION",
        /// The call came after its `not_after`.
        TooLate = "TOO_LATE",
        /// A fence stopped the attempt before its effect.
        Fenced = "FENCED",
        /// The worker's process ended.
        WorkerDied = "WORKER_DIED",
        /// The tool panicked.
        ToolPanicked = "TOOL_PANICKED",
        /// The subtask killed its workers, and is not tried again.
        Poison = "POISON",
        /// Called off by a person or a caller.
        CancelledByCaller = "CANCELLED_BY_CALLER",
        /// Called off because the step or the task came to its end otherwise.
        CancelledByTask = "CANCELLED_BY_TASK",
        /// The quorum can't be reached any more.
        QuorumLost = "QUORUM_LOST",
        /// A person said that it failed.
        ResolvedByPerson = "RESOLVED_BY_PERSON",
        /// A person or a policy did not approve.
        NotApproved = "NOT_APPROVED",
        /// A store did not answer.
        StoreUnavailable = "STORE_UNAVAILABLE",
        /// Holdfast broke a promise of its own.
        Internal = "INTERNAL",
    }
}

closed_list! {
    /// What a failure's `retry_after` means.
    pub enum RetryHint {
        /// Not before (`retry-after`, `RetryInfo`): the backoff may wait longer, and goes on growing.
        AtLeast = "AT_LEAST",
        /// Exactly then, and the backoff begins anew (gRPC's pushback, proposal A6).
        Exactly = "EXACTLY",
    }
}

#[allow(clippy::derivable_impls)] // the list's macro has no room for #[default]
impl Default for RetryHint {
    fn default() -> Self {
        Self::AtLeast
    }
}

impl RetryHint {
    const fn is_usual(&self) -> bool {
        matches!(self, Self::AtLeast)
    }
}

/// A failure as it stands in the journal, the API, the CLI and before the model.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// Who acts.
    pub class: Class,
    /// Whether the effect happened, as far as this failure tells.
    pub effect: Effect,
    /// The exact reason.
    pub reason: Reason,
    /// One sentence for people. Never holds a secret.
    pub message: String,
    /// How long to wait before another try, where somebody said so.
    #[serde(default, with = "time::opt_millis", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// Whether `retry_after` is the least time or the time.
    #[serde(default, skip_serializing_if = "RetryHint::is_usual")]
    pub retry_hint: RetryHint,
    /// How many attempts were made, this one included; 0 where none was.
    #[serde(default)]
    pub attempts: u32,
    /// Time from the first attempt's start to this failure.
    #[serde(default, with = "time::millis")]
    pub elapsed: Duration,
    /// Where it comes from.
    pub source: Source,
    /// More, for programs: short texts under fixed names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Failure {
    /// Makes a failure of a tool, with neither attempts nor times.
    #[must_use]
    pub fn new(class: Class, effect: Effect, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class,
            effect,
            reason,
            message: message.into(),
            retry_after: None,
            retry_hint: RetryHint::AtLeast,
            attempts: 0,
            elapsed: Duration::ZERO,
            source: Source::Tool,
            details: BTreeMap::new(),
        }
    }

    /// Says where it comes from.
    #[must_use]
    pub const fn from_source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Says how long to wait at least.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds one detail.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}: {}", self.class, self.reason, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_later_refusal_never_lowers_the_effect() {
        for (a, b, joined) in [
            (Effect::Unknown, Effect::NotExecuted, Effect::Unknown),
            (Effect::Executed, Effect::Unknown, Effect::Executed),
            (Effect::NotExecuted, Effect::NotExecuted, Effect::NotExecuted),
        ] {
            assert_eq!(a.join(b), joined);
            assert_eq!(b.join(a), joined);
        }
    }

    #[test]
    fn closed_lists_read_any_case_and_show_capitals() {
        assert_eq!("rate_limited".parse::<Class>().unwrap(), Class::RateLimited);
        assert_eq!(Class::RateLimited.to_string(), "RATE_LIMITED");
        assert!("later".parse::<Class>().unwrap_err().to_string().contains("TRANSIENT"));
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse::<Reason>().unwrap(), *reason);
        }
    }
}
