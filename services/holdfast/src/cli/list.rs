//! `list`: tasks, the latest first.

use holdfast_proto::convert::{ClosedList, known};
use holdfast_proto::v1;
use holdfast_types::task::WaitReason;
use holdfast_types::{TaskOutcome, TaskStatus};

use super::Context;
use super::server::Server;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::output::{json, table};
use crate::run::plan_file::Input;

/// List tasks, the latest submission first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast list --status RUNNING --status WAITING --label team=travel")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// Only tasks that are there: QUEUED, RUNNING, WAITING, COMPENSATING, QUARANTINED, FINISHED
    #[arg(long = "status", value_name = "STATUS")]
    statuses: Vec<String>,
    /// Only tasks that have this label with this value
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Input>,
    /// The namespace [default: default]
    #[arg(long)]
    namespace: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let statuses = self.statuses.iter().map(|word| read_status(word)).collect::<Result<Vec<_>>>()?;
        let mut request = v1::ListTasksRequest {
            namespace: self.namespace.unwrap_or_default(),
            statuses,
            labels: self.labels.into_iter().map(|label| (label.name, label.value)).collect(),
            ..Default::default()
        };
        let (mut left, mut rows) = (self.limit, Vec::new());
        while left > 0 {
            request.page_size = u32::try_from(left.min(1_000)).unwrap_or(1_000);
            let page = client.list(request.clone()).await?;
            for task in page.tasks.iter().take(left) {
                if context.output.is_json() {
                    context.output.line(&json::of("TaskSummary", task));
                }
                rows.push(row(task));
            }
            left = left.saturating_sub(page.tasks.len());
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        if !context.output.is_json() && !rows.is_empty() {
            context.output.text(&table::lines(&rows));
        }
        Ok(Exit::Success)
    }
}

fn read_status(word: &str) -> Result<i32> {
    let wanted = word.to_uppercase();
    let found = TaskStatus::ALL.iter().find(|status| status.as_str() == wanted);
    let list = <TaskStatus as ClosedList>::known();
    found
        .map(|status| v1::TaskStatus::from(*status).into())
        .ok_or_else(|| Error::Usage(format!("'{word}' is no status; there are {list}")))
}

/// The status for people, with what is waited for.
pub(super) fn status(task: &v1::TaskSummary) -> String {
    let status = known::<TaskStatus>("status", task.status).map_or("?", |status| status.as_str());
    match known::<WaitReason>("waits_for", task.waits_for) {
        Ok(reason) => format!("{status} ({})", reason.as_str()),
        Err(_) => status.to_owned(),
    }
}

fn row(task: &v1::TaskSummary) -> Vec<String> {
    let outcome = known::<TaskOutcome>("outcome", task.outcome).map_or("", |outcome| outcome.as_str());
    let submitted =
        task.submitted_at.map(|at| prost_types::Timestamp { nanos: 0, ..at }.to_string()).unwrap_or_default();
    let state = if outcome.is_empty() { status(task) } else { outcome.to_owned() };
    vec![task.task_id.clone(), state, submitted, task.name.clone()]
}
