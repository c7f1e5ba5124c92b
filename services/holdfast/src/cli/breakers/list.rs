//! `breakers list`: the breakers of all dependencies.

use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;

use super::super::Context;
use super::super::server::Server;
use super::row::row;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::{json, table};

/// List the breakers of all dependencies, or of some
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast breakers list --json")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// Only these: a tool, or what tools name as their dependency
    dependencies: Vec<String>,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let request = v1::ListBreakersRequest { dependencies: self.dependencies };
        let answered = HealthServiceClient::new(client.channel()).list_breakers(request).await;
        let breakers = answered.map_err(|status| client.refused(&status))?.into_inner().breakers;
        if context.output.is_json() {
            breakers.iter().for_each(|breaker| context.output.line(&json::of("Breaker", breaker)));
        } else if !breakers.is_empty() {
            context.output.text(&table::lines(&breakers.iter().map(row).collect::<Vec<_>>()));
        }
        Ok(Exit::Success)
    }
}
