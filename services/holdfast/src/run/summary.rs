//! The account of a task that has ended.

use holdfast_proto::convert::known;
use holdfast_proto::v1;
use holdfast_proto::v1::payload::Content;
use holdfast_types::TaskOutcome;
use serde_json::Value;

use super::progress::short;
use crate::exit::{Exit, Strictness};
use crate::output::{Output, json};

/// A task that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The task.
    pub(crate) task: v1::TaskSummary,
    /// How.
    pub(crate) result: v1::TaskResult,
}

impl Ended {
    /// Says how the process ends.
    pub(crate) fn exit(&self, strictness: Strictness) -> Exit {
        known::<TaskOutcome>("outcome", self.result.outcome)
            .map_or(Exit::Failed, |outcome| Exit::of(outcome, strictness))
    }

    /// Writes the account and the output: for people the account goes to stderr and the output to stdout.
    pub(crate) fn write(&self, output: Output) {
        if output.is_json() {
            output.line(&self.to_json());
            return;
        }
        for line in self.account() {
            output.note(&line);
        }
        match self.result.output.as_ref().and_then(|payload| payload.content.as_ref()) {
            Some(Content::Json(text)) => output.text(&pretty(text)),
            Some(Content::Blob(blob)) => {
                output.note(&format!(
                    "the output has {} bytes of {}: blob {}",
                    blob.size, blob.content_type, blob.sha256
                ));
            }
            None => {}
        }
    }

    /// The last line of `run` and `watch`.
    fn to_json(&self) -> Value {
        let Value::Object(mut fields) = json::of("TaskResult", &self.result) else { return Value::Null };
        fields.insert("task_id".to_owned(), Value::from(self.task.task_id.clone()));
        json::tagged("outcome", Value::Object(fields))
    }

    fn account(&self) -> Vec<String> {
        let report = self.result.report.clone().unwrap_or_default();
        let outcome = known::<TaskOutcome>("outcome", self.result.outcome)
            .map_or("UNKNOWN", |outcome| outcome.as_str());
        let mut lines = vec![format!(
            "{outcome} {}{}",
            self.task.task_id,
            self.took().map(|took| format!(" in {took}")).unwrap_or_default()
        )];
        lines.push(format!(
            "  retried {}, replayed {}, degraded {}, resumed {}, undone {}",
            report.retries,
            report.replays,
            report.degraded.len() + report.missing.len(),
            report.lives.saturating_sub(1),
            report.undone.len()
        ));
        lines.extend(self.result.failure.as_ref().map(|failure| format!("  because   {}", told(failure))));
        lines.extend(report.degraded.iter().map(|step| annotated("degraded", step)));
        lines.extend(report.missing.iter().map(|step| annotated("missing", step)));
        lines.extend(standing(&report));
        lines
    }

    fn took(&self) -> Option<String> {
        let read = |at| holdfast_proto::convert::time::required_timestamp("at", at).ok();
        let (from, to) = (read(self.task.submitted_at)?, read(self.result.at)?);
        Some(short(to.since(from)))
    }
}

/// What became of what was done: what is undone, what stands and why, and what nobody knows.
pub(crate) fn standing(report: &v1::TaskReport) -> Vec<String> {
    let mut lines: Vec<String> = report.undone.iter().map(|call| format!("  undone    {call}")).collect();
    for deed in &report.stands {
        let tool = if deed.tool.is_empty() { String::new() } else { format!(" ({})", deed.tool) };
        lines.push(format!("  stands    {}{tool}: {}", deed.call, deed.why));
        if !deed.undo.is_empty() {
            let times = if deed.undo_attempts == 1 { "attempt" } else { "attempts" };
            lines.push(format!("            {}: {} {times}", deed.undo, deed.undo_attempts));
        }
    }
    let unknown = |call: &String| format!("  unknown   {call}: nobody knows whether it happened");
    lines.extend(report.unknown.iter().map(unknown));
    lines
}

fn annotated(word: &str, step: &v1::Annotation) -> String {
    let name = step.index.map_or_else(|| step.step.clone(), |index| format!("{}[{index}]", step.step));
    let why = step.failure.as_ref().map(|failure| format!(": {}", told(failure))).unwrap_or_default();
    format!("  {word:<9} {name}{why}")
}

/// A failure on the wire, in one line.
pub(crate) fn told(failure: &v1::Failure) -> String {
    let class = holdfast_proto::convert::known::<holdfast_types::Class>("class", failure.class)
        .map_or("", |class| class.as_str());
    format!("{class}/{} {}", failure.reason, failure.message).trim_end().to_owned()
}

/// JSON over several lines, where it is JSON.
pub(crate) fn pretty(text: &str) -> String {
    serde_json::from_str::<Value>(text)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ended(outcome: v1::TaskOutcome) -> Ended {
        let report =
            v1::TaskReport { retries: 1, lives: 2, undone: vec!["flight".into()], ..Default::default() };
        let output = Some(v1::Payload { content: Some(Content::Json("{\"a\":1}".into())) });
        let result =
            v1::TaskResult { outcome: outcome.into(), output, report: Some(report), ..Default::default() };
        Ended { task: v1::TaskSummary { task_id: "task_1".into(), ..Default::default() }, result }
    }

    #[test]
    fn the_last_line_has_the_published_shape() {
        assert_eq!(
            ended(v1::TaskOutcome::Compensated).to_json(),
            json!({
                "kind": "outcome", "task_id": "task_1", "outcome": "TASK_OUTCOME_COMPENSATED",
                "output": {"json": "{\"a\":1}"}, "report": {"retries": "1", "lives": "2", "undone": ["flight"]},
            })
        );
    }

    #[test]
    fn the_account_counts_what_recovery_did() {
        let account = ended(v1::TaskOutcome::Compensated).account().join("\n");
        assert!(account.starts_with("COMPENSATED task_1"), "{account}");
        assert!(account.contains("retried 1, replayed 0, degraded 0, resumed 1, undone 1"), "{account}");
        assert_eq!(ended(v1::TaskOutcome::Compensated).exit(Strictness::Lenient), Exit::Compensated);
    }
}
