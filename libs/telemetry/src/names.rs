//! Every name of a span, an attribute, a log field and a metric, once.

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
    /// What a task waits for.
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

/// Spans. Those of a model turn and a tool call follow OpenTelemetry's GenAI conventions: `chat {model}`,
/// `execute_tool {tool}`.
pub mod span {
    /// A task, from submission: a zero-length root, ended by its sibling [`FINISH`].
    pub const TASK: &str = "task";
    /// The end of a task.
    pub const FINISH: &str = "finish";
    /// One driver's time with a task.
    pub const LIFE: &str = "life";
    /// A step of a plan.
    pub const STEP: &str = "step";
    /// A subtask: one call of a tool, all its attempts.
    pub const EXECUTE_TOOL: &str = "execute_tool";
    /// A turn of a model.
    pub const CHAT: &str = "chat";
    /// One try of a subtask.
    pub const ATTEMPT: &str = "attempt";
    /// A wait for a timer, a person or a dependency.
    pub const WAIT: &str = "wait";
    /// An undo.
    pub const COMPENSATE: &str = "compensate";
    /// A call of a store.
    pub const STORE: &str = "store";
    /// A gRPC request as its server sees it.
    pub const RPC_SERVER: &str = "rpc.server";
    /// A gRPC request as its client sees it.
    pub const RPC_CLIENT: &str = "rpc.client";
}

/// Attributes of spans.
pub mod attribute {
    /// What a GenAI span is: `chat`, `execute_tool`.
    pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
    /// The tool's name.
    pub const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";
    /// The call's id within its task; never its key.
    pub const GEN_AI_TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
    /// The model that was asked for.
    pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
    /// The provider of the model.
    pub const GEN_AI_PROVIDER_NAME: &str = "gen_ai.provider.name";
    /// A failure's reason; absent on success.
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
    /// How a task, a step or a life ended; `crash` for a life that died.
    pub const ENDED: &str = "holdfast.ended";
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
    pub const RPC_STATUS: &str = "rpc.status_code";
}

/// Fields of log lines and of `tracing` spans.
pub mod field {
    /// The task's id.
    pub const TASK_ID: &str = "task_id";
    /// The trace's id.
    pub const TRACE_ID: &str = "trace_id";
}
