//! `ping`: whether a server answers, and how fast.

use holdfast_proto::v1;
use holdfast_runtime::{Clock, SystemClock};
use serde_json::json;

use super::Context;
use super::server::Server;
use crate::error::Result;
use crate::exit::Exit;
use crate::run::progress::short;

/// Ask a server whether it is there
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast ping --server http://127.0.0.1:7420")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        // The store behind it has to answer, too.
        let began = SystemClock.boot();
        client.list(v1::ListTasksRequest { page_size: 1, ..Default::default() }).await?;
        let took = SystemClock.boot().since(began);
        let object = json!({"server": client.server(), "millis": took.as_secs_f64() * 1_000.0});
        context.output.data(&format!("{} answers in {}", client.server(), short(took)), &object);
        Ok(Exit::Success)
    }
}
