//! `history`: a task's journal.

use holdfast_proto::v1;

use super::Context;
use super::server::Server;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::json;

/// Show a task's journal, an event a line
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast history task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --kind attempt_ended --json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// Events after this sequence number only
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    after: u64,
    /// Events of this kind only
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let mut after_seq = self.after;
        loop {
            let request = v1::GetTaskHistoryRequest {
                task_id: self.task.clone(),
                after_seq,
                page_size: 1_000,
                kinds: self.kinds.clone(),
            };
            let page = client.history(request).await?;
            for event in &page.events {
                let human =
                    format!("{:>5} {:>3}  {:<20} {}", event.seq, event.epoch, event.kind, event.body_json);
                context.output.data(&human, &json::of("TaskEvent", event));
            }
            after_seq = page.next_after_seq;
            if after_seq == 0 {
                return Ok(Exit::Success);
            }
        }
    }
}
