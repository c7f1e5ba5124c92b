//! `breakers watch`: the breakers, and each change of one.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_proto::v1::watch_response::Change;
use tonic::{Code, Status};

use super::super::Context;
use super::super::server::Server;
use super::row::row;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::output::{Output, json, table};

/// Follow the breakers: each as it is, then each change, until Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast breakers watch --json")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) server: Server,
    /// Only these: a tool, or what tools name as their dependency
    dependencies: Vec<String>,
}

/// How long a stream that broke is waited for before it is opened again.
const REOPEN_AFTER: Duration = Duration::from_millis(300);

/// How often in a row a stream may break without a word.
const REOPENED_AT_MOST: u32 = 20;

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let client = Server::connect(&context)?;
        let mut told = Told { output: context.output, only: self.dependencies, last: HashMap::new() };
        let mut broken = 0;
        loop {
            let (error, may_come_back) = match follow(&client, &mut told, &mut broken).await {
                // The service has ended the stream: it may be about to start anew.
                Ok(()) => {
                    let message = "the stream of breakers ended".to_owned();
                    (Error::Unreachable { server: client.server().to_owned(), message }, true)
                }
                Err(status) => {
                    let is_away =
                        matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown);
                    (client.refused(&status), is_away)
                }
            };
            broken += 1;
            // One that was never there is tried once more only.
            let was_there = !told.last.is_empty() || broken == 1;
            if !may_come_back || broken > REOPENED_AT_MOST || !was_there {
                return Err(error);
            }
            tokio::time::sleep(REOPEN_AFTER).await;
        }
    }
}

async fn follow(client: &Client, told: &mut Told, broken: &mut u32) -> std::result::Result<(), Status> {
    let watch = HealthServiceClient::new(client.channel()).watch(v1::WatchRequest::default()).await;
    let mut stream = watch?.into_inner();
    while let Some(message) = stream.message().await? {
        *broken = 0;
        match message.change {
            Some(Change::View(view)) => view.breakers.into_iter().for_each(|breaker| told.tell(breaker)),
            Some(Change::Breaker(breaker)) => told.tell(breaker),
            Some(Change::Worker(_) | Change::WorkerGone(_) | Change::Trial(_)) | None => {}
        }
    }
    Ok(())
}

/// What was written last of each breaker: after a reconnect only news is.
struct Told {
    output: Output,
    only: Vec<String>,
    last: HashMap<String, Option<v1::BreakerGeneration>>,
}

impl Told {
    fn tell(&mut self, breaker: v1::Breaker) {
        if !self.only.is_empty() && !self.only.contains(&breaker.dependency) {
            return;
        }
        let known = self.last.insert(breaker.dependency.clone(), breaker.generation.clone());
        if known.is_none_or(|generation| generation != breaker.generation) {
            self.output.data(&table::lines(&[row(&breaker)]), &json::of("Breaker", &breaker));
        }
    }
}
