//! Records as spans (DESIGN section 10), and where a trace's id comes from.

use holdfast_engine::state::CallEnd;
use holdfast_telemetry::names::{attribute, span, span_event};
use holdfast_telemetry::{Coordinates, SpanKind, TaskSpan, TaskTrace, TaskTracer, TraceParent};
use holdfast_types::{Direction, TaskId, TaskOutcome};

use super::record::{Fate, Record, What};

/// The trace of a task: the caller's where one was sent, else one of the task's own.
pub(crate) fn of(tracer: &TaskTracer, task: TaskId, traceparent: Option<&str>) -> TaskTrace {
    let caller: Option<TraceParent> = traceparent.and_then(|text| text.parse().ok());
    tracer.trace(task, caller)
}

/// The trace's id as 32 lower-case hexadecimal digits.
pub(crate) fn trace_id(task: TaskId, traceparent: Option<&str>) -> String {
    of(&TaskTracer::no_op(), task, traceparent).at(&Coordinates::Task).trace_id_text()
}

/// Exports records that are complete.
pub(crate) fn export(tracer: &TaskTracer, trace: &TaskTrace, records: impl IntoIterator<Item = Record>) {
    for record in records {
        if let Some(span) = span(trace.task(), record) {
            tracer.export(trace, span);
        }
    }
}

/// The span of a record; none while it is under way.
fn span(task: TaskId, record: Record) -> Option<TaskSpan> {
    let ended = record.ended?;
    let name = record.name();
    let span = TaskSpan::new(name, record.place.clone(), record.began, ended);
    let span = described(span, task, &record);
    let span = match record.how() {
        Some(how) => span.attribute(attribute::ENDED, how),
        None => span,
    };
    let span = match &record.fate {
        Fate::Failed { class, effect, .. } => {
            span.attribute(attribute::CLASS, class.as_str()).attribute(attribute::EFFECT, effect.as_str())
        }
        Fate::Fine | Fate::Cancelled | Fate::Closed(_) => span,
    };
    Some(match record.fate.error() {
        Some(error) => span.failed(error),
        None => span,
    })
}

fn described(span: TaskSpan, task: TaskId, record: &Record) -> TaskSpan {
    match &record.what {
        What::Task { name, namespace } => span
            .attribute(attribute::GEN_AI_OPERATION_NAME, span::TASK)
            .attribute(attribute::GEN_AI_AGENT_NAME, name.clone())
            .attribute(attribute::TASK_ID, task.to_string())
            .attribute(attribute::NAMESPACE, namespace.clone()),
        What::Life { epoch, before, .. } => {
            let span = span.attribute(attribute::EPOCH, signed(*epoch));
            match before {
                Some(before) => span.link(Coordinates::Life(*before)),
                None => span,
            }
        }
        What::Step { .. } => match &record.place {
            Coordinates::Step(step) => span.attribute(attribute::STEP_ID, step.to_string()),
            _ => span,
        },
        What::Call { tool, direction, end, retries, recorded_by: _ } => {
            let span = match direction {
                Direction::Forward => span.attribute(attribute::GEN_AI_OPERATION_NAME, span::EXECUTE_TOOL),
                Direction::Undo => span,
            };
            let span = match &record.place {
                Coordinates::Call(call) => span.attribute(attribute::GEN_AI_TOOL_CALL_ID, call.to_string()),
                _ => span,
            };
            let span = span
                .attribute(attribute::GEN_AI_TOOL_NAME, tool.to_string())
                .attribute(attribute::RETRIES, i64::try_from(*retries).unwrap_or(i64::MAX));
            match (end, record.ended) {
                (Some(CallEnd::Replayed), Some(at)) => {
                    span.attribute(attribute::REPLAYED, true).event(span_event::REPLAYED, at)
                }
                _ => span,
            }
        }
        What::Attempt { number, epoch, worker } => span
            .kind(SpanKind::Client)
            .attribute(attribute::ATTEMPT, i64::from(*number))
            .attribute(attribute::EPOCH, signed(*epoch))
            .attribute(attribute::WORKER_ID, worker.to_string()),
        What::Wait(waiting) => span.attribute(attribute::WAITS_FOR, waiting.as_str()),
        What::Finish { outcome, retries, lives } => {
            let span = span
                .attribute(attribute::TASK_ID, task.to_string())
                .attribute(attribute::RETRIES, signed(*retries))
                .attribute(attribute::LIVES, signed(*lives));
            match interesting(*outcome, *retries, *lives) {
                Some(why) => span.attribute(attribute::INTERESTING, why),
                None => span,
            }
        }
    }
}

/// Why a task's trace is worth keeping where most are not.
const fn interesting(outcome: TaskOutcome, retries: u64, lives: u64) -> Option<&'static str> {
    match outcome {
        TaskOutcome::Succeeded if lives > 1 => Some("resumed"),
        TaskOutcome::Succeeded if retries > 0 => Some("retried"),
        TaskOutcome::Succeeded => None,
        _ => Some("failed"),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_sampler_is_told_the_first_reason_to_keep_a_trace() {
        assert_eq!(interesting(TaskOutcome::Failed, 1, 2), Some("failed"));
        assert_eq!(interesting(TaskOutcome::Degraded, 0, 1), Some("failed"));
        assert_eq!(interesting(TaskOutcome::Succeeded, 3, 2), Some("resumed"));
        assert_eq!(interesting(TaskOutcome::Succeeded, 3, 1), Some("retried"));
        assert_eq!(interesting(TaskOutcome::Succeeded, 0, 1), None);
    }
}
