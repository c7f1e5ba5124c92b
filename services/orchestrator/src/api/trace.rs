//! The trace of a task: where its id comes from, and its root (DESIGN section 10).

use holdfast_telemetry::{Coordinates, TaskSpan, TaskTrace, TaskTracer, TraceParent, names};
use holdfast_types::TaskId;
use holdfast_types::task::TaskRow;

/// The trace of a task: the caller's where one was sent, else one of the task's own.
pub(crate) fn of(task: TaskId, traceparent: Option<&str>) -> TaskTrace {
    let caller: Option<TraceParent> = traceparent.and_then(|text| text.parse().ok());
    TaskTrace::new(task, caller)
}

/// The trace's id as 32 lower-case hexadecimal digits.
pub(crate) fn trace_id(task: TaskId, traceparent: Option<&str>) -> String {
    of(task, traceparent).at(&Coordinates::Task).trace_id_text()
}

/// Exports the task's own span: a zero-length root, so that it stands there whatever dies.
pub(super) fn submitted(tracer: &TaskTracer, row: &TaskRow, trace: &TaskTrace) {
    if !tracer.is_on() {
        return;
    }
    let span = TaskSpan::new(names::span::TASK, Coordinates::Task, row.submitted_at, row.submitted_at)
        .attribute(names::attribute::TASK_ID, row.id.to_string())
        .attribute(names::attribute::NAMESPACE, row.namespace.to_string());
    tracer.export(trace, span);
}
