//! How the process ends, as a number (DESIGN section 13).

use std::process::ExitCode;

use holdfast_types::TaskOutcome;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// SUCCEEDED, or DEGRADED without `--strict`.
    Success,
    /// FAILED, or the command could not do its work.
    Failed,
    /// Bad usage, plan or configuration.
    Usage,
    /// DEGRADED with `--strict`.
    Degraded,
    /// COMPENSATED.
    Compensated,
    /// COMPENSATION_FAILED.
    CompensationFailed,
    /// DEADLINE_EXCEEDED.
    DeadlineExceeded,
    /// CANCELLED.
    Cancelled,
    /// The task waits for a person, and the caller doesn't (`--no-wait`).
    WaitsForPerson,
    /// The platform can't be reached.
    Unreachable,
    /// Interrupted by a signal; the task can be resumed.
    Interrupted,
}

/// What DEGRADED counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Strictness {
    /// A success.
    #[default]
    Lenient,
    /// A number of its own.
    Strict,
}

impl Exit {
    /// Returns the number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Degraded => 3,
            Self::Compensated => 4,
            Self::CompensationFailed => 5,
            Self::DeadlineExceeded => 6,
            Self::Cancelled => 7,
            Self::WaitsForPerson => 8,
            Self::Unreachable => 9,
            Self::Interrupted => 130,
        }
    }

    /// Says how a process ends whose task ended so.
    pub(crate) const fn of(outcome: TaskOutcome, strictness: Strictness) -> Self {
        match (outcome, strictness) {
            (TaskOutcome::Succeeded, _) | (TaskOutcome::Degraded, Strictness::Lenient) => Self::Success,
            (TaskOutcome::Degraded, Strictness::Strict) => Self::Degraded,
            (TaskOutcome::Failed, _) => Self::Failed,
            (TaskOutcome::Compensated, _) => Self::Compensated,
            (TaskOutcome::CompensationFailed, _) => Self::CompensationFailed,
            (TaskOutcome::DeadlineExceeded, _) => Self::DeadlineExceeded,
            (TaskOutcome::Cancelled, _) => Self::Cancelled,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_the_published_number() {
        for outcome in TaskOutcome::ALL {
            let published = match outcome {
                TaskOutcome::Succeeded | TaskOutcome::Degraded => 0,
                TaskOutcome::Failed => 1,
                TaskOutcome::Compensated => 4,
                TaskOutcome::CompensationFailed => 5,
                TaskOutcome::DeadlineExceeded => 6,
                TaskOutcome::Cancelled => 7,
            };
            assert_eq!(Exit::of(*outcome, Strictness::Lenient).code(), published);
        }
        assert_eq!(Exit::of(TaskOutcome::Degraded, Strictness::Strict).code(), 3);
        let others =
            [Exit::Usage, Exit::WaitsForPerson, Exit::Unreachable, Exit::Interrupted].map(Exit::code);
        assert_eq!(others, [2, 8, 9, 130]);
    }
}
