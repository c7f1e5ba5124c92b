//! `submit`: gives a plan to a server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast_proto::v1;

use super::Context;
use super::server::Server;
use super::watch::{Ending, accepted};
use crate::error::Result;
use crate::exit::Exit;
use crate::output::json;
use crate::run::plan_file::{Input, PlanFile};

/// Submit a plan to a server; its `local` section is not sent
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast submit examples/trip.yaml --input order_id=trip-7 --watch")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The plan, YAML or JSON
    file: PathBuf,
    /// An input's value: text, or JSON where the input's schema says so
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// The task's id: the same id and plan again is the same task
    #[arg(long, value_name = "task_…")]
    task_id: Option<String>,
    /// A label of the task
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Input>,
    /// How soon its work goes, in its namespace: 1 (first) to 5 (last) [default: 3]
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u32).range(1..=5))]
    priority: Option<u32>,
    /// The namespace [default: default]
    #[arg(long)]
    namespace: Option<String>,
    /// Follow the task to its end
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    ending: Ending,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let file = PlanFile::read(&self.file)?;
        if file.document.local().is_some() {
            context
                .output
                .note(&format!("{}: 'local' is not sent; the server's workers are used", file.name));
        }
        let given = file.given(&self.inputs);
        let labels: BTreeMap<_, _> = self.labels.into_iter().map(|label| (label.name, label.value)).collect();
        let request = v1::SubmitTaskRequest {
            namespace: self.namespace.unwrap_or_default(),
            task_id: self.task_id.unwrap_or_default(),
            body: Some(v1::submit_task_request::Body::PlanSource(file.sent)),
            inputs: given.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
            labels,
            source_name: file.name,
            priority: self.priority.unwrap_or_default(),
            ..Default::default()
        };
        let response = client.submit(request).await?;
        let (ending, answer) = (self.watch.then_some(self.ending), json::of("SubmitTaskResponse", &response));
        accepted(client, response.task.as_ref(), &answer, ending, context.output).await
    }
}
