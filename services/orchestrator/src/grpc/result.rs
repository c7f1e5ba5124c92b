//! How a task ended, on the wire.

use holdfast_engine::event::Finished;
use holdfast_engine::report::{Annotation, Report, Standing};
use holdfast_engine::state::Summary;
use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_types::task::TaskRow;
use holdfast_types::{Failure, Payload, TaskOutcome, Timestamp};

/// The result of a task that a fold has shown; none: it has not ended.
pub(super) fn of_summary(row: &TaskRow, summary: Summary) -> Option<v1::TaskResult> {
    let outcome = summary.outcome?;
    let at = summary.finished_at.or(row.finished_at).unwrap_or(row.updated_at);
    Some(result(outcome, summary.output, summary.failure, summary.report, at))
}

/// The result of a task, by its last event.
pub(super) fn of_event(finished: Finished, at: Timestamp) -> v1::TaskResult {
    result(finished.outcome, Some(finished.output), finished.failure, finished.report, at)
}

fn result(
    outcome: TaskOutcome,
    output: Option<Payload>,
    failure: Option<Failure>,
    report: Report,
    at: Timestamp,
) -> v1::TaskResult {
    let shown = matches!(outcome, TaskOutcome::Succeeded | TaskOutcome::Degraded);
    v1::TaskResult {
        outcome: v1::TaskOutcome::from(outcome).into(),
        output: output.filter(|_| shown).map(Into::into),
        failure: failure.map(Into::into),
        report: Some(wire(report)),
        at: Some(time::timestamp(at)),
    }
}

fn wire(report: Report) -> v1::TaskReport {
    let Report { degraded, missing, undone, stands, unknown, retries, replays, lives } = report;
    v1::TaskReport {
        degraded: degraded.into_iter().map(annotation).collect(),
        missing: missing.into_iter().map(annotation).collect(),
        undone: undone.iter().map(ToString::to_string).collect(),
        stands: stands.into_iter().map(standing).collect(),
        unknown: unknown.iter().map(ToString::to_string).collect(),
        retries,
        replays,
        lives,
    }
}

fn annotation(note: Annotation) -> v1::Annotation {
    v1::Annotation { step: note.step.to_string(), index: note.index, failure: note.failure.map(Into::into) }
}

fn standing(standing: Standing) -> v1::Standing {
    let Standing { call, why, tool, key, undo } = standing;
    v1::Standing {
        call: call.to_string(),
        why,
        tool: tool.map(|tool| tool.to_string()).unwrap_or_default(),
        key: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
        undo: undo.as_ref().map(|undo| undo.call.to_string()).unwrap_or_default(),
        undo_attempts: undo.as_ref().map_or(0, |undo| undo.attempts),
        undo_failure: undo.map(|undo| undo.failure.into()),
    }
}
