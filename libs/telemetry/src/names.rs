//! Every name of a span, an attribute, a log field and a metric, once.
//!
//! Where OpenTelemetry has a name it is taken from its conventions for RPC and for GenAI, as of [`CONVENTIONS`] and
//! [`GEN_AI_CONVENTIONS`] (the latter are in development); everything else is under `holdfast.`.

/// The version of OpenTelemetry's semantic conventions that spans follow, as the schema that they name.
pub const CONVENTIONS: &str = "https://opentelemetry.io/schemas/1.45.0";

/// The release of the GenAI conventions, which are versioned apart and have no schema of their own yet.
pub const GEN_AI_CONVENTIONS: &str = "0.1.0";

/// Metrics, with all that is said about each.
pub use crate::metrics::catalogue as metric;

/// Labels of metrics. None is ever a task's id.
pub mod label {
    /// A failure's class.
    pub const CLASS: &str = "class";
    /// A tool's name, `other` past the first 200.
    pub const TOOL: &str = "tool";
    /// The state before a transition.
    pub const FROM: &str = "from";
    /// The state after a transition.
    pub const TO: &str = "to";
    /// A breaker's state.
    pub const STATE: &str = "state";
    /// A breaker's dependency, `other` past the first 200.
    pub const DEPENDENCY: &str = "dependency";
    /// The kind of a resume.
    pub const KIND: &str = "kind";
    /// How an unknown outcome was resolved.
    pub const RESOLUTION: &str = "resolution";
    /// How something ended.
    pub const RESULT: &str = "result";
    /// How a task ended.
    pub const OUTCOME: &str = "outcome";
    /// What a task waits for, or why something was not done.
    pub const REASON: &str = "reason";
    /// A verb of the idempotency service.
    pub const VERB: &str = "verb";
    /// What was answered.
    pub const ANSWER: &str = "answer";
    /// Which losses an answer survives.
    pub const DURABILITY: &str = "durability";
    /// The binary's version.
    pub const VERSION: &str = "version";
}

/// Spans, by the first word of their names; those of RPCs have the method's.
pub mod span {
    /// A task, from submission: `invoke_workflow {plan}`, a zero-length root, ended by its sibling [`FINISH`].
    pub const TASK: &str = "invoke_workflow";
    /// The end of a task.
    pub const FINISH: &str = "finish";
    /// One driver's time with a task.
    pub const LIFE: &str = "life";
    /// A step of a plan: `step {id}`.
    pub const STEP: &str = "step";
    /// A subtask, one call of a tool with all its attempts: `execute_tool {tool}`.
    pub const EXECUTE_TOOL: &str = "execute_tool";
    /// One try of a subtask.
    pub const ATTEMPT: &str = "attempt";
    /// A wait of a subtask: `wait {for}`.
    pub const WAIT: &str = "wait";
    /// An undo: `compensate {tool}`.
    pub const COMPENSATE: &str = "compensate";
}

/// Events of spans.
pub mod span_event {
    /// A recorded result answered the call; nothing was executed.
    pub const REPLAYED: &str = "replayed";
}

/// Attributes of spans.
pub mod attribute {
    /// What a GenAI span is: `invoke_workflow`, `execute_tool`.
    pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
    /// The tool's name.
    pub const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";
    /// The call's id within its task; never its key.
    pub const GEN_AI_TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
    /// The workflow's name: that of the plan.
    pub const GEN_AI_AGENT_NAME: &str = "gen_ai.agent.name";
    /// A failure's reason (`docs/errors.md`), how an attempt was closed, or an RPC's status; absent on success.
    pub const ERROR_TYPE: &str = "error.type";
    /// The task's id.
    pub const TASK_ID: &str = "holdfast.task.id";
    /// The task's namespace.
    pub const NAMESPACE: &str = "holdfast.namespace";
    /// The step's id.
    pub const STEP_ID: &str = "holdfast.step.id";
    /// The attempt's number, from 1.
    pub const ATTEMPT: &str = "holdfast.attempt";
    /// The epoch of the life that did it.
    pub const EPOCH: &str = "holdfast.epoch";
    /// Retries of a subtask.
    pub const RETRIES: &str = "holdfast.retries";
    /// How a task, a step, a subtask, an attempt or a life ended; `crash` for a life that died.
    pub const ENDED: &str = "holdfast.ended";
    /// What a wait is for.
    pub const WAITS_FOR: &str = "holdfast.waits_for";
    /// Of a task's end, why it is worth keeping: `failed`, `resumed`, `retried`, the first that is so; else absent.
    pub const INTERESTING: &str = "holdfast.interesting";
    /// How many lives a task had.
    pub const LIVES: &str = "holdfast.lives";
    /// Whether the result is a recorded one.
    pub const REPLAYED: &str = "holdfast.replayed";
    /// The worker's incarnation.
    pub const WORKER_ID: &str = "holdfast.worker.id";
    /// A failure's class.
    pub const CLASS: &str = "holdfast.class";
    /// Whether a failed call took effect.
    pub const EFFECT: &str = "holdfast.effect";
    /// The RPC system: `grpc`.
    pub const RPC_SYSTEM: &str = "rpc.system.name";
    /// The method: `holdfast.v1.OrchestratorService/SubmitTask`.
    pub const RPC_METHOD: &str = "rpc.method";
    /// The status code, by its name.
    pub const RPC_STATUS: &str = "rpc.response.status_code";
    /// The server's host.
    pub const SERVER_ADDRESS: &str = "server.address";
    /// The server's port.
    pub const SERVER_PORT: &str = "server.port";
}

/// Fields of log lines and of `tracing` spans.
pub mod field {
    /// The task's id.
    pub const TASK_ID: &str = "task_id";
    /// The trace's id.
    pub const TRACE_ID: &str = "trace_id";
}
