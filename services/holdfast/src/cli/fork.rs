//! `fork`: a new task that begins with what another has done.

use std::collections::BTreeMap;

use holdfast_engine::{Event, decode};
use holdfast_proto::v1;
use holdfast_types::journal::EventRow;
use holdfast_types::task::TaskBody;

use super::Context;
use super::server::Server;
use super::watch::{Ending, accepted};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::output::json;
use crate::run::plan_file::Input;

/// Make a task of the beginning of another: what was done there is taken over and not done again
///
/// The results of the steps that had ended are taken over, their undos are not. Steps that had failed, what comes after
/// them and what comes after --from run anew, with the inputs given here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast fork task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --from hotel --input traveller=grace@example.com --watch")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task to begin with
    task: String,
    /// Know of it up to this event only (see `holdfast history`); no call may be open there [default: its last event]
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
    /// Run this step again, and all that depends on it
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Another value of an input: text, or JSON where the input's schema says so
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Input>,
    /// The new task's id: the same id and request again is the same task
    #[arg(long, value_name = "task_…")]
    id: Option<String>,
    /// A label of the new task, over those of the other
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Input>,
    /// Follow the new task to its end
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    ending: Ending,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let inputs = read(&client, &self.task, &self.inputs).await?;
        let labels = self.labels.into_iter().map(|label| (label.name, label.value)).collect();
        let request = v1::ForkTaskRequest {
            task_id: self.task.clone(),
            at_seq: self.at.unwrap_or_default(),
            from_step: self.from.unwrap_or_default(),
            inputs,
            new_task_id: self.id.unwrap_or_default(),
            labels,
        };
        let response = client.fork(request).await?;
        let (ending, answer) = (self.watch.then_some(self.ending), json::of("ForkTaskResponse", &response));
        accepted(client, response.task.as_ref(), &answer, ending, context.output).await
    }
}

/// Reads inputs as the schemas of the task's plan say. One that the plan does not take is text: the server says so.
async fn read(client: &Client, task: &str, given: &[Input]) -> Result<BTreeMap<String, String>> {
    if given.is_empty() {
        return Ok(BTreeMap::new());
    }
    let request = v1::GetTaskHistoryRequest { task_id: task.to_owned(), page_size: 1, ..Default::default() };
    let first = client.history(request).await?.events.into_iter().next();
    let event = first.and_then(|event| EventRow::try_from(event).ok()).and_then(|row| decode(&row).ok());
    let Some(Event::Submitted(submitted)) = event else {
        let message = format!("{task} was written by a newer Holdfast: its inputs can't be read");
        return Err(Error::Refused { message, exit: Exit::Failed });
    };
    let TaskBody::Plan(plan) = submitted.spec.body;
    let schema = |name: &str| plan.inputs.get(name).map(|input| input.schema.clone()).unwrap_or_default();
    let value = |input: &Input| {
        let value = holdfast_plan::read_input(&schema(&input.name), &input.value);
        (input.name.clone(), value.to_string())
    };
    Ok(given.iter().map(value).collect())
}
