//! What an orchestrator and a worker say to each other about a call (DESIGN section 2, PROTOCOL 1 and 12).

use std::time::Duration;

use crate::{
    CallId, Failure, Key, Namespace, Payload, SideEffect, TaskId, Timestamp, ToolManifest, ToolName, WorkerId,
};

/// Names an attempt's call over all workers: the task and the call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallRef {
    /// The task.
    pub task: TaskId,
    /// The call.
    pub call: CallId,
}

impl std::fmt::Display for CallRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.task, self.call)
    }
}

/// A call whose outcome its driver has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The call.
    pub call: CallRef,
    /// The last attempt whose outcome is recorded: a later one is none of this ack's business.
    pub attempt: u32,
    /// The driver's epoch.
    pub epoch: u64,
}

/// One attempt, addressed to one incarnation of a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    /// The incarnation that the intent names; another one refuses.
    pub worker: WorkerId,
    /// The call.
    pub call: CallRef,
    /// From 1.
    pub attempt: u32,
    /// The driver's epoch.
    pub epoch: u64,
    /// The worker does not begin after this instant.
    pub not_after: Timestamp,
    /// The longest that the attempt may take, from its arrival.
    pub timeout: Duration,
    /// The namespace.
    pub namespace: Namespace,
    /// The tool.
    pub tool: ToolName,
    /// The arguments. `{$secret: NAME}` stands in them until the worker replaces it.
    pub args: Payload,
    /// The key that the tool passes on.
    pub key: Key,
    /// The fencing token under which the key is held, for tools that check one: higher than that of every claim of the
    /// key before, whichever task made it. The epoch for a READ_ONLY call, which holds no key; 0 where nobody knows it.
    pub token: u64,
    /// What a repeat of this call is, as its plan says; none: as the tool's manifest says.
    pub side_effect: Option<SideEffect>,
}

/// What a running call says.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecuteEvent {
    /// A sign of life.
    Heartbeat(Option<CallProgress>),
    /// The end: exactly one, and the last.
    Finished(CallOutcome),
}

/// How far a call is, as far as the tool says.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CallProgress {
    /// Done, in percent, 0 to 100; none: unknown.
    pub percent: Option<u8>,
    /// A short text for people.
    pub note: String,
}

/// How an attempt ended.
pub type CallOutcome = Result<Success, Failure>;

/// An attempt that took effect and has a result.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Success {
    /// The result.
    pub result: Payload,
    /// The service behind the tool says that it answered from memory (an honoured key).
    #[serde(default)]
    pub replayed_downstream: bool,
}

/// What a worker answers to a fence (PROTOCOL 1).
#[derive(Debug, Clone, PartialEq)]
pub enum FenceAnswer {
    /// It never saw the attempt, and will refuse it from now on.
    NeverSeen,
    /// It was stopped before it could take effect.
    StoppedBeforeEffect,
    /// It has ended so.
    Finished(CallOutcome),
    /// It runs; attach with `Execute` under the new epoch.
    Running,
    /// It was stopped after the effect may have begun.
    Interrupted,
}

/// What a tool answers to "did key K happen?".
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeAnswer {
    /// It happened, with this result.
    Done {
        /// The result.
        result: Payload,
    },
    /// It did not happen, as far as the tool sees now.
    NotDone,
    /// The tool can't tell.
    Unknown,
}

/// A worker as it registers.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerInfo {
    /// Its incarnation.
    pub id: WorkerId,
    /// `HOST:PORT` at which it can be called.
    pub address: String,
    /// How many calls it takes at once.
    pub slots: u32,
    /// Its tools.
    pub tools: Vec<ToolManifest>,
}
