//! `watch`: follows a task to its end.

use holdfast_proto::v1;
use serde_json::Value;

use super::Context;
use super::server::Server;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::exit::{Exit, Strictness};
use crate::output::Output;
use crate::run::follow::{Followed, Follower, Patience};

/// Follow a task to its end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast watch task_0193f0c2f2a97d4ab1f5a4b4b9a1c001 --json")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// The task
    task: String,
    /// Show events after this sequence number only
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    after: u64,
    #[command(flatten)]
    ending: Ending,
}

/// What the ends of a task mean for the process.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Ending {
    /// End with 3 where the task is DEGRADED
    #[arg(long)]
    strict: bool,
    /// End with 8 where the task waits for a person
    #[arg(long)]
    no_wait: bool,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        follow(client, &self.task, self.after, self.ending, context.output).await
    }
}

/// Tells of a task that the server has accepted: its answer, or where there is an `ending` to wait for, all that comes of
/// the task.
pub(super) async fn accepted(
    client: Client,
    task: Option<&v1::TaskSummary>,
    answer: &Value,
    ending: Option<Ending>,
    output: Output,
) -> Result<Exit> {
    let Some(task) = task else {
        return Err(Error::Refused { message: "the server named no task".to_owned(), exit: Exit::Failed });
    };
    match ending {
        Some(ending) => {
            output.note(&task.task_id);
            follow(client, &task.task_id, 0, ending, output).await
        }
        None => {
            output.data(&task.task_id, answer);
            Ok(Exit::Success)
        }
    }
}

/// Follows a task; a Ctrl-C ends only the looking on.
pub(super) async fn follow(
    client: Client,
    task: &str,
    after: u64,
    ending: Ending,
    output: Output,
) -> Result<Exit> {
    let patience = if ending.no_wait { Patience::Leave } else { Patience::Wait };
    match Follower::new(client, task, output, patience, after).until_its_end().await? {
        Followed::Ended(ended) => {
            ended.write(output);
            Ok(ended.exit(if ending.strict { Strictness::Strict } else { Strictness::Lenient }))
        }
        Followed::Waits(task) => {
            output.note(&format!("{} waits for a person; see: holdfast get {}", task.task_id, task.task_id));
            Ok(Exit::WaitsForPerson)
        }
    }
}
