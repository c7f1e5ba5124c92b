//! Why a worker refuses a request: every one of these proves that this request had no effect, but for the last.

use std::time::Duration;

use holdfast_types::{Class, Effect, Failure, Reason, Source, ToolName, WorkerId};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is addressed to another incarnation.
    WrongIncarnation { answering: WorkerId },
    /// Its epoch is lower than one that was shown.
    StaleEpoch { shown: u64 },
    /// Its `not_after` has passed.
    TooLate,
    /// All slots are taken, and the queue is full.
    NoCapacity { slots: usize },
    /// No such tool here.
    ToolGone { tool: ToolName },
    /// The call runs, or ran, with another tool or key.
    OtherCall,
    /// The worker takes no new calls.
    Draining,
    /// The call was here, and its outcome has been forgotten.
    Forgotten,
}

/// How soon a call that found no place may be sent again.
const ANOTHER_TRY: Duration = Duration::from_millis(100);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let platform = |class, effect, reason, message: String| {
            Self::new(class, effect, reason, message).from_source(Source::Platform)
        };
        let none = Effect::NotExecuted;
        match refusal {
            Refusal::WrongIncarnation { answering } => platform(
                Class::Transient,
                none,
                Reason::WrongIncarnation,
                format!("addressed to another incarnation; this is {answering}"),
            )
            .detail("worker_id", answering.to_string()),
            Refusal::StaleEpoch { shown } => platform(
                Class::Transient,
                none,
                Reason::StaleEpoch,
                format!("a driver of epoch {shown} was here"),
            )
            .detail("epoch", shown.to_string()),
            Refusal::TooLate => platform(
                Class::Transient,
                none,
                Reason::TooLate,
                "the attempt's not_after has passed".to_owned(),
            ),
            Refusal::NoCapacity { slots } => platform(
                Class::RateLimited,
                none,
                Reason::NoCapacity,
                format!("all {slots} slots are taken and the queue is full"),
            )
            .retry_after(ANOTHER_TRY),
            Refusal::ToolGone { tool } => platform(
                Class::Unavailable,
                none,
                Reason::ToolGone,
                format!("this worker does not host the tool {tool}"),
            ),
            Refusal::OtherCall => platform(
                Class::Semantic,
                none,
                Reason::KeyMismatch,
                "the call is known here with another tool or key".to_owned(),
            ),
            Refusal::Draining => platform(
                Class::Transient,
                none,
                Reason::Draining,
                "the worker is stopping and takes no new calls".to_owned(),
            )
            .retry_after(ANOTHER_TRY),
            Refusal::Forgotten => platform(
                Class::Ambiguous,
                Effect::Unknown,
                Reason::TooLate,
                "the call ended here, and its outcome has been forgotten".to_owned(),
            ),
        }
    }
}
