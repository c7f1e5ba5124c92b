//! Summaries of tasks on the wire.

use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_proto::v1::pending::Question as Wire;
use holdfast_types::task::TaskRow;

use super::result;
use crate::{Asked, Question, StepCounts, TaskView};

/// What lists show.
pub(super) fn of_row(row: TaskRow) -> v1::TaskSummary {
    v1::TaskSummary::from(row)
}

/// All that is known of a task.
pub(super) fn of_view(view: TaskView) -> v1::TaskSummary {
    let TaskView { row, trace_id, deadline_at, forked_from, summary, steps, asked } = view;
    v1::TaskSummary {
        forked_at_seq: forked_from.as_ref().map_or(0, |origin| origin.at_seq),
        forked_from_task_id: forked_from.map(|origin| origin.task.to_string()).unwrap_or_default(),
        trace_id,
        deadline_at: Some(time::timestamp(deadline_at)),
        steps: Some(counts(steps)),
        retries: summary.report.retries,
        replays: summary.report.replays,
        lives: summary.report.lives,
        pending: asked.into_iter().map(pending).collect(),
        result: result::of_summary(&row, summary),
        ..of_row(row)
    }
}

fn counts(steps: StepCounts) -> v1::StepCounts {
    v1::StepCounts {
        total: steps.total,
        pending: steps.pending,
        running: steps.running,
        succeeded: steps.succeeded,
        degraded: steps.degraded,
        failed: steps.failed,
        skipped: steps.skipped,
        cancelled: steps.cancelled,
        unknown: steps.unknown,
    }
}

fn pending(asked: Asked) -> v1::Pending {
    let generation = asked.call.generation;
    let question = match asked.question {
        Question::Approval { tool, args, digest, why } => Wire::Approval(v1::PendingApproval {
            tool: tool.map(|tool| tool.to_string()).unwrap_or_default(),
            args: args.map(Into::into),
            digest,
            message: why,
        }),
        Question::Answer { text } => Wire::Answer(v1::PendingQuestion { text, schema_json: String::new() }),
        Question::Outcome { tool, args, key, failure, attempts } => Wire::Outcome(v1::PendingOutcome {
            tool: tool.map(|tool| tool.to_string()).unwrap_or_default(),
            args: args.map(Into::into),
            key: key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
            generation,
            failure: Some(failure.into()),
            attempts,
        }),
    };
    v1::Pending {
        call: asked.call.to_string(),
        since: asked.since.map(time::timestamp),
        expires_at: None,
        question: Some(question),
    }
}
