//! `trace`: a task's trace, from its journal.

use holdfast_orchestrator::timeline::{Record, Whole, whole};
use holdfast_proto::v1;
use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;
use serde_json::json;

use super::Context;
use super::server::Server;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::trace::{Tree, shown};

/// Show a task's trace as a tree, and where Jaeger has it
///
/// It is made from the journal, so it needs no collector. A mark stands before what failed; times are from the task's
/// submission, and how long each took.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast trace task_0193f0c2f2a97d4ab1f5a4b4b9a1c001")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let task = client.get(&self.task).await?;
        let id: TaskId =
            task.task_id.parse().map_err(|_| Error::Usage(format!("'{}' is no task's id", task.task_id)))?;
        let rows = rows(&client, &self.task).await?;
        let read = whole(id, &rows);
        let read = read.map_err(|error| Error::platform("this journal has no trace")(error.into()))?;
        let Whole { complete, under_way, .. } = read;
        let records: Vec<Record> = complete.into_iter().map(|(_, record)| record).chain(under_way).collect();
        let jaeger = context.config.value.telemetry.jaeger.trim_end_matches('/');
        let url = format!("{jaeger}/trace/{}", task.trace_id);
        let tree = Tree::of(id, records);
        let object = json!({
            "task_id": task.task_id,
            "trace_id": task.trace_id,
            "url": url,
            "spans": tree.json(),
        });
        context.output.data(&format!("{}\n{url}", shown(&tree)), &object);
        Ok(Exit::Success)
    }
}

async fn rows(client: &Client, task: &str) -> Result<Vec<EventRow>> {
    let (mut rows, mut after_seq) = (Vec::new(), 0);
    loop {
        let request = v1::GetTaskHistoryRequest {
            task_id: task.to_owned(),
            after_seq,
            page_size: 1_000,
            kinds: Vec::new(),
        };
        let page = client.history(request).await?;
        for event in page.events {
            let row = EventRow::try_from(event)
                .map_err(|invalid| Error::platform("the server's answer can't be read")(invalid.into()))?;
            rows.push(row);
        }
        after_seq = page.next_after_seq;
        if after_seq == 0 {
            return Ok(rows);
        }
    }
}
