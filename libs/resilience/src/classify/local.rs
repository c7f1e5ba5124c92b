//! Failures that this side makes: timers, cancellation, a dead worker, a panic, what was never tried.

use holdfast_types::{Class, Failure, Reason, Source};

use super::{Context, Finding, Proof};

/// What ended an attempt, or kept it from beginning, on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The attempt's timer fired.
    AttemptTimeout,
    /// The step's timer fired.
    StepTimeout,
    /// The task's deadline passed.
    TaskDeadline,
    /// The call gave no sign of life for too long.
    HeartbeatLost,
    /// A person or a caller called it off.
    CancelledByCaller,
    /// Its step or its task came to its end otherwise.
    CancelledByTask,
    /// The worker's process ended.
    WorkerDied,
    /// The tool panicked.
    ToolPanicked,
    /// A breaker is open: not tried.
    CircuitOpen,
    /// The retry budget is spent: not tried.
    BudgetSpent,
    /// No live worker hosts the tool: not tried.
    ToolGone,
    /// No worker has a free place in time: not tried.
    NoCapacity,
    /// A fence stopped the attempt before its effect.
    Fenced,
    /// The worker refused a stale epoch.
    StaleEpoch,
    /// The worker is another incarnation.
    WrongIncarnation,
    /// The worker refused what came after its `not_after`.
    TooLate,
}

impl End {
    /// Every end.
    pub const ALL: &'static [End] = &[
        Self::AttemptTimeout,
        Self::StepTimeout,
        Self::TaskDeadline,
        Self::HeartbeatLost,
        Self::CancelledByCaller,
        Self::CancelledByTask,
        Self::WorkerDied,
        Self::ToolPanicked,
        Self::CircuitOpen,
        Self::BudgetSpent,
        Self::ToolGone,
        Self::NoCapacity,
        Self::Fenced,
        Self::StaleEpoch,
        Self::WrongIncarnation,
        Self::TooLate,
    ];
}

/// Classifies an end that this side made. Each says which layer of time fired, and who called it off.
#[must_use]
pub fn classify(context: &Context<'_>, end: End, message: &str) -> Failure {
    use Class::{Cancelled, Crashed, Deadline, Transient, Unavailable};
    use Proof::{NeverArrived, Nothing};
    let (class, reason, proof) = match end {
        End::AttemptTimeout => (Transient, Reason::AttemptTimeout, Nothing),
        End::StepTimeout => (Deadline, Reason::StepTimeout, Nothing),
        End::TaskDeadline => (Deadline, Reason::TaskDeadline, Nothing),
        End::HeartbeatLost => (Transient, Reason::HeartbeatLost, Nothing),
        End::CancelledByCaller => (Cancelled, Reason::CancelledByCaller, Nothing),
        End::CancelledByTask => (Cancelled, Reason::CancelledByTask, Nothing),
        End::WorkerDied => (Crashed, Reason::WorkerDied, Nothing),
        End::ToolPanicked => (Crashed, Reason::ToolPanicked, Nothing),
        End::CircuitOpen => (Unavailable, Reason::CircuitOpen, NeverArrived),
        End::BudgetSpent => (Unavailable, Reason::RetryBudgetExhausted, NeverArrived),
        End::ToolGone => (Unavailable, Reason::ToolGone, NeverArrived),
        End::NoCapacity => (Unavailable, Reason::NoCapacity, NeverArrived),
        End::Fenced => (Transient, Reason::Fenced, NeverArrived),
        End::StaleEpoch => (Transient, Reason::StaleEpoch, NeverArrived),
        End::WrongIncarnation => (Transient, Reason::WrongIncarnation, NeverArrived),
        End::TooLate => (Transient, Reason::TooLate, NeverArrived),
    };
    let source = match end {
        End::HeartbeatLost | End::ToolPanicked | End::AttemptTimeout => Source::Tool,
        _ => Source::Platform,
    };
    context.conclude(Finding::new(class, reason, message).proof(proof)).from_source(source)
}
