//! What a task, a step and a subtask can be, and the row that lists show of a task.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::plan::Plan;
use crate::{Namespace, OwnerId, Priority, StepId, TaskId, Timestamp, ToolManifest};

closed_list! {
    /// Where a task is (DESIGN section 7).
    pub enum TaskStatus {
        /// Accepted and stored; nobody drives it yet.
        Queued = "QUEUED",
        /// Driven.
        Running = "RUNNING",
        /// Waits for a timer, an approval, an answer or a dependency.
        Waiting = "WAITING",
        /// Undoes what it did.
        Compensating = "COMPENSATING",
        /// Killed its drivers; not claimed again until an operator says so.
        Quarantined = "QUARANTINED",
        /// Ended; its outcome says how.
        Finished = "FINISHED",
    }
}

closed_list! {
    /// How a task ended (DESIGN section 7).
    pub enum TaskOutcome {
        /// Everything succeeded.
        Succeeded = "SUCCEEDED",
        /// It succeeded, with a list of what is missing or stands in.
        Degraded = "DEGRADED",
        /// It failed; what was done stands.
        Failed = "FAILED",
        /// It did not succeed, and everything that was done is undone.
        Compensated = "COMPENSATED",
        /// It did not succeed, and something that was done could not be undone.
        CompensationFailed = "COMPENSATION_FAILED",
        /// Called off; what was done stands.
        Cancelled = "CANCELLED",
        /// Its deadline passed; what was done stands.
        DeadlineExceeded = "DEADLINE_EXCEEDED",
    }
}

closed_list! {
    /// What a task waits for.
    pub enum WaitReason {
        /// A time.
        Timer = "TIMER",
        /// A backoff before another attempt.
        Backoff = "BACKOFF",
        /// A person's approval.
        Approval = "APPROVAL",
        /// A person's answer.
        Answer = "ANSWER",
        /// A person's word on an outcome that nobody knows.
        UnknownOutcome = "UNKNOWN_OUTCOME",
        /// Another holder of the same key.
        Key = "KEY",
        /// A worker that hosts a tool.
        ToolGone = "TOOL_GONE",
        /// A breaker that lets calls of a dependency through again.
        CircuitOpen = "CIRCUIT_OPEN",
        /// A free place on a worker.
        Capacity = "CAPACITY",
        /// A paused task.
        Paused = "PAUSED",
        /// A child task.
        Child = "CHILD",
        /// An earlier attempt that must close first.
        Settling = "SETTLING",
    }
}

closed_list! {
    /// What a step leaves behind (PLAN.md), or where it is.
    pub enum StepStatus {
        /// Its dependencies have not ended.
        Pending = "PENDING",
        /// Under way.
        Running = "RUNNING",
        /// It has its result.
        Succeeded = "SUCCEEDED",
        /// A fallback stands in, or a fan-out ended within its tolerance.
        Degraded = "DEGRADED",
        /// It failed.
        Failed = "FAILED",
        /// Its `when` was false, or the task ended before it.
        Skipped = "SKIPPED",
        /// Called off.
        Cancelled = "CANCELLED",
        /// The effect may have happened.
        Unknown = "UNKNOWN",
    }
}

impl StepStatus {
    /// Says whether dependents may start. An unsettled `UNKNOWN` holds them back.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Degraded | Self::Failed | Self::Skipped | Self::Cancelled)
    }

    /// Says whether it counts towards a quorum.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Succeeded | Self::Degraded)
    }
}

closed_list! {
    /// Where a step's result comes from.
    pub enum ResultSource {
        /// Its tool.
        Tool = "TOOL",
        /// A recorded result of the same key.
        Replay = "REPLAY",
        /// A fallback tool.
        Fallback = "FALLBACK",
        /// The newest recorded result of the same tool and arguments.
        LastGood = "LAST_GOOD",
        /// A value that the plan gives.
        Value = "VALUE",
    }
}

/// What a task is to do, as it was submitted; pinned for its whole life (DESIGN section 3).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TaskSpec {
    /// The namespace.
    pub namespace: Namespace,
    /// What it does.
    pub body: TaskBody,
    /// The inputs, complete: the caller's, and the defaults.
    pub inputs: BTreeMap<String, Value>,
    /// How soon its work goes, in its namespace.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// The labels: the caller's over the plan's.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The manifests of the tools that it names, as they were at submission.
    pub manifests: Vec<ToolManifest>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it must have ended.
    pub deadline_at: Timestamp,
    /// The W3C `traceparent` that the caller sent, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The task of which it is a fork, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkOrigin>,
}

/// Where a fork begins: what had ended there in its source is taken over (PROTOCOL 7).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ForkOrigin {
    /// The source.
    pub task: TaskId,
    /// The source's last event of which the fork knows.
    pub at_seq: u64,
    /// The step from which on nothing was taken over, with all that depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_step: Option<StepId>,
}

/// What a task does. Agent loops join plans here (DESIGN section 3).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskBody {
    /// A plan.
    Plan(Plan),
}

impl TaskBody {
    /// Returns the name that lists show.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Plan(plan) => &plan.name,
        }
    }
}

/// The longest that a task may take, where nobody says (DESIGN section 13).
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// A task's row: what lists and claims read, kept beside the journal in the same transactions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TaskRow {
    /// The task.
    pub id: TaskId,
    /// The namespace.
    pub namespace: Namespace,
    /// The plan's name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the request's body, in hexadecimal: the same id with another digest is refused.
    pub digest: String,
    /// Where it is.
    pub status: TaskStatus,
    /// How it ended, once it has.
    pub outcome: Option<TaskOutcome>,
    /// What it waits for, while it waits.
    pub waits_for: Option<WaitReason>,
    /// The epoch of the last claim; 0 before the first.
    pub epoch: u64,
    /// The owner id of the last claim, while it holds.
    pub owner: Option<OwnerId>,
    /// The last event's sequence number.
    pub last_seq: u64,
    /// When it wants to be driven next; none while it only waits for a message.
    pub wake_at: Option<Timestamp>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How many of its lives in a row ended without a release and without a new outcome (PROTOCOL 18).
    pub barren_lives: u32,
}
