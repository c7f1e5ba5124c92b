//! `compensate`: undoes what a finished task did.

use std::time::Duration;

use holdfast_engine::decode;
use holdfast_engine::event::{Event, Handling, MessageHandled};
use holdfast_proto::v1;
use holdfast_runtime::Ids;
use holdfast_types::journal::EventRow;

use super::Context;
use super::server::Server;
use super::watch::{Ending, follow};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::output::Output;

/// Undo what a finished task did, and follow that to its end
///
/// Undos that had failed for good are tried again. Ends with 4 where all is undone, with 5 where something stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast compensate task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --from hotel --reason 'the guest cancelled'")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// Undo only this step and all that depends on it
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Why, for the record
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    ending: Ending,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let known = client.get(&self.task).await?.last_seq;
        let message_id = Ids::system().message().to_string();
        let request = v1::CompensateTaskRequest {
            task_id: self.task.clone(),
            from_step: self.from.unwrap_or_default(),
            reason: self.reason,
            message_id: message_id.clone(),
        };
        client.compensate(request).await?;
        follow_message(client, &self.task, known, &message_id, self.ending, context.output).await
    }
}

/// How often it is looked whether a message was taken.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until a message was taken, and follows what comes of it: until then the task is what it was before.
pub(super) async fn follow_message(
    client: Client,
    task: &str,
    known: u64,
    message_id: &str,
    ending: Ending,
    output: Output,
) -> Result<Exit> {
    let (seq, handled) = loop {
        if let Some(found) = handled(&client, task, known, message_id).await? {
            break found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    if let Handling::Refused { why } = handled.handling {
        return Err(Error::Refused { message: format!("{task}: {why}"), exit: Exit::Failed });
    }
    follow(client, task, seq, ending, output).await
}

/// Finds what became of a message, and where that stands.
async fn handled(
    client: &Client,
    task: &str,
    known: u64,
    message_id: &str,
) -> Result<Option<(u64, MessageHandled)>> {
    let mut after_seq = known;
    loop {
        let request = v1::GetTaskHistoryRequest {
            task_id: task.to_owned(),
            after_seq,
            page_size: 1_000,
            kinds: vec!["message_handled".to_owned()],
        };
        let page = client.history(request).await?;
        for event in page.events {
            let seq = event.seq;
            let event = EventRow::try_from(event).ok().and_then(|row| decode(&row).ok());
            if let Some(Event::MessageHandled(handled)) = event
                && handled.message.id.to_string() == message_id
            {
                return Ok(Some((seq, *handled)));
            }
        }
        after_seq = page.next_after_seq;
        if after_seq == 0 {
            return Ok(None);
        }
    }
}
