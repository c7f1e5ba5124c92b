//! `breakers open`, `close` and `reset`: an operator's order, and its end.

use std::time::Duration;

use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_types::time::parse_duration;

use super::super::Context;
use super::super::server::Server;
use super::row::row;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::{json, table};

/// Hold a breaker open: its tools are not called, fallbacks stand in, and models are told
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast breakers open mail-api --reason 'vendor is migrating' --for 2h")]
pub(super) struct Open {
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    order: Order,
}

/// Hold a breaker closed: its tools are called, however they fail
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast breakers close mail-api --reason 'the vendor says it is back' --for 10m")]
pub(super) struct Close {
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    order: Order,
}

#[derive(Debug, clap::Args)]
struct Order {
    /// The dependency: a tool, or what tools name as theirs
    dependency: String,
    /// Why, for the log and for all who see the breaker
    #[arg(long)]
    reason: String,
    /// How long, from 1s to 30d; without it until `breakers reset`
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    valid_for: Option<Duration>,
}

/// Let a breaker decide by itself again: it begins closed, with nothing counted
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast breakers reset mail-api")]
pub(super) struct Reset {
    #[command(flatten)]
    pub(super) server: Server,
    /// The dependency: a tool, or what tools name as theirs
    dependency: String,
    /// Why, for the log
    #[arg(long, default_value = "the order is taken back")]
    reason: String,
}

impl Open {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        self.order.give(v1::BreakerForce::Open, context).await
    }
}

impl Close {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        self.order.give(v1::BreakerForce::Closed, context).await
    }
}

impl Reset {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let request = v1::ForceBreakerRequest {
            dependency: self.dependency,
            force: v1::BreakerForce::Auto.into(),
            reason: self.reason,
            valid_for: None,
        };
        send(request, context).await
    }
}

impl Order {
    async fn give(self, force: v1::BreakerForce, context: Context) -> Result<Exit> {
        let request = v1::ForceBreakerRequest {
            dependency: self.dependency,
            force: force.into(),
            reason: self.reason,
            valid_for: self.valid_for.map(time::duration),
        };
        send(request, context).await
    }
}

async fn send(request: v1::ForceBreakerRequest, context: Context) -> Result<Exit> {
    let client = Server::connect(&context)?;
    let answered = HealthServiceClient::new(client.channel()).force_breaker(request).await;
    let response = answered.map_err(|status| client.refused(&status))?.into_inner();
    let breaker = response.breaker.unwrap_or_default();
    context.output.data(&table::lines(&[row(&breaker)]), &json::of("Breaker", &breaker));
    Ok(Exit::Success)
}
