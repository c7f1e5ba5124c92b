//! Why a verb of the API refuses.

use holdfast_plan::Findings;
use holdfast_types::{TaskId, TaskStatus};

/// Why a verb refuses.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The plan or its inputs are wrong; all that was found.
    #[error("the plan is not valid:\n{0}")]
    Plan(Findings),
    /// A field of the request is wrong.
    #[error("{field}: {why}")]
    Invalid {
        /// Which.
        field: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The task id is taken by a task with another body.
    #[error("{task} exists already with another body")]
    Conflict {
        /// The task.
        task: TaskId,
    },
    /// The namespace has as many unfinished tasks as it may.
    #[error("the namespace has {limit} unfinished tasks, and may have no more")]
    QueueFull {
        /// The limit.
        limit: u64,
    },
    /// What was asked for does not exist.
    #[error("{what} not found")]
    NotFound {
        /// What.
        what: String,
    },
    /// The task's state does not allow it.
    #[error("{why}")]
    Refused {
        /// Where the task is.
        status: TaskStatus,
        /// Why.
        why: String,
    },
    /// What was shown when the decision was made is not what stands there now.
    #[error("the call is another by now: look at it again")]
    Changed,
    /// A place beyond the journal's end.
    #[error("{field} {seq} lies beyond the last event, {last_seq}")]
    OutOfRange {
        /// The field that names it.
        field: &'static str,
        /// What was asked for.
        seq: u64,
        /// The last event.
        last_seq: u64,
    },
    /// Not built yet.
    #[error("{what}")]
    Unimplemented {
        /// What is missing, in a sentence.
        what: &'static str,
    },
    /// The journal can't be read by this binary.
    #[error("the journal of {task} can't be read")]
    Unreadable {
        /// The task.
        task: TaskId,
        /// Why.
        #[source]
        source: holdfast_engine::FoldError,
    },
    /// A store failed.
    #[error(transparent)]
    Store(#[from] holdfast_ports::Error),
}
