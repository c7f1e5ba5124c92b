//! `get`: one task at a glance, with its subtasks.

use holdfast_proto::convert::known;
use holdfast_proto::v1;
use holdfast_proto::v1::pending::Question;
use holdfast_types::task::{ResultSource, StepStatus};
use holdfast_types::{Reason, TaskOutcome};
use serde_json::Value;

use super::Context;
use super::list::status;
use super::server::Server;
use crate::client::Client;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::{json, table};
use crate::run::summary::{pretty, standing, told};

/// Show a task
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast get task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --subtasks")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// List its subtasks too
    #[arg(long)]
    subtasks: bool,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let task = client.get(&self.task).await?;
        let waits = task.waits_for() == v1::WaitReason::ToolGone;
        let known =
            if self.subtasks || waits { all_subtasks(&client, &self.task).await? } else { Vec::new() };
        let missing = if waits { missing(&known) } else { Vec::new() };
        let subtasks = if self.subtasks { known } else { Vec::new() };
        let mut object = json::of("TaskSummary", &task);
        if let (true, Value::Object(fields)) = (self.subtasks, &mut object) {
            let list = subtasks.iter().map(|subtask| json::of("Subtask", subtask)).collect();
            fields.insert("subtasks".to_owned(), Value::Array(list));
        }
        context.output.data(&shown(&task, &missing, &subtasks), &object);
        Ok(Exit::Success)
    }
}

async fn all_subtasks(client: &Client, task: &str) -> Result<Vec<v1::Subtask>> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListSubtasksRequest {
            task_id: task.to_owned(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = client.subtasks(request).await?;
        all.extend(page.subtasks);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        page_token = page.next_page_token;
    }
}

/// What calls wait for, each said once.
fn missing(subtasks: &[v1::Subtask]) -> Vec<String> {
    let waiting = subtasks.iter().filter(|subtask| subtask.status() == v1::StepStatus::Running);
    let failures = waiting.filter_map(|subtask| subtask.failure.as_ref());
    let gone = failures.filter(|failure| failure.reason == Reason::ToolGone.as_str());
    let mut lines: Vec<String> =
        gone.map(|failure| format!("  waits: {} ({})", failure.message, failure.reason)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

fn shown(task: &v1::TaskSummary, missing: &[String], subtasks: &[v1::Subtask]) -> String {
    let outcome = known::<TaskOutcome>("outcome", task.outcome).map_or("", |outcome| outcome.as_str());
    let mut lines = vec![
        format!("{}  {}  {} {outcome}", task.task_id, task.name, status(task)).trim_end().to_owned(),
        format!(
            "  retried {}, replayed {}, resumed {}",
            task.retries,
            task.replays,
            task.lives.saturating_sub(1)
        ),
    ];
    if !task.forked_from_task_id.is_empty() {
        lines.push(format!("  forked from {} at event {}", task.forked_from_task_id, task.forked_at_seq));
    }
    if !task.trace_id.is_empty() {
        lines.push(format!("  trace {}", task.trace_id));
    }
    lines.extend(missing.iter().cloned());
    lines.extend(task.pending.iter().map(asked));
    if let Some(failure) = task.result.as_ref().and_then(|result| result.failure.as_ref()) {
        lines.push(format!("  because {}", told(failure)));
    }
    lines.extend(
        task.result.as_ref().and_then(|result| result.report.as_ref()).map(standing).unwrap_or_default(),
    );
    let rows: Vec<Vec<String>> = subtasks.iter().map(row).collect();
    if !rows.is_empty() {
        lines.push(table::lines(&rows));
    }
    let output = task
        .result
        .as_ref()
        .and_then(|result| result.output.as_ref())
        .and_then(|output| output.content.as_ref());
    if let Some(v1::payload::Content::Json(text)) = output {
        lines.push(pretty(text));
    }
    lines.join("\n")
}

fn asked(pending: &v1::Pending) -> String {
    let what = match &pending.question {
        Some(Question::Approval(approval)) => {
            format!(
                "may {} be called? ({}) holdfast approve TASK {} --digest {}",
                approval.tool, approval.message, pending.call, approval.digest
            )
        }
        Some(Question::Answer(question)) => {
            format!("{} holdfast answer TASK {} ANSWER", question.text, pending.call)
        }
        Some(Question::Outcome(outcome)) => {
            format!("did {} happen? holdfast resolve TASK {} --help", outcome.tool, pending.call)
        }
        None => "waits for a person".to_owned(),
    };
    format!("  ? {}: {what}", pending.call)
}

fn row(subtask: &v1::Subtask) -> Vec<String> {
    let status = known::<StepStatus>("status", subtask.status).map_or("", |status| status.as_str());
    let attempts =
        if subtask.attempts > 1 { format!("{} attempts", subtask.attempts) } else { String::new() };
    let failure = subtask.failure.as_ref().map(told).unwrap_or_default();
    let by = match subtask.recorded_by.as_str() {
        "" => failure,
        by => format!("{} of {by} {failure}", source(subtask)).trim_end().to_owned(),
    };
    vec![format!("  {}", subtask.call), subtask.tool.clone(), status.to_owned(), attempts, by]
}

/// Where a recorded result comes from, in a word.
fn source(subtask: &v1::Subtask) -> &'static str {
    known::<ResultSource>("source", subtask.source).map_or("recorded result", |source| source.as_str())
}
