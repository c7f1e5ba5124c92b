//! `cancel`: asks a task to end.

use holdfast_proto::v1;

use super::Context;
use super::server::Server;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::json;

/// Ask a task to end; what it did is undone as its plan says
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast cancel task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --reason 'wrong order'")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// Why, for the record
    #[arg(long, default_value = "")]
    reason: String,
    /// Let stand what it did
    #[arg(long, conflicts_with = "undo")]
    keep: bool,
    /// Undo what it did
    #[arg(long)]
    undo: bool,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let on_cancel = match (self.keep, self.undo) {
            (true, _) => v1::OnEnd::Keep,
            (false, true) => v1::OnEnd::Compensate,
            (false, false) => v1::OnEnd::Unspecified,
        };
        let request = v1::CancelTaskRequest {
            task_id: self.task.clone(),
            on_cancel: on_cancel.into(),
            reason: self.reason,
            ..Default::default()
        };
        let response = client.cancel(request).await?;
        let told = match response.status() {
            v1::TaskStatus::Finished => format!("{} has finished already", self.task),
            _ => format!("{} is asked to end", self.task),
        };
        context.output.data(&told, &json::of("CancelTaskResponse", &response));
        Ok(Exit::Success)
    }
}
