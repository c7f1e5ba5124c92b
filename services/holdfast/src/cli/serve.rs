//! `serve`: one role in a process of its own.

use std::sync::Arc;

use holdfast_runtime::Shutdown;
use holdfast_runtime::config::Flag;
use holdfast_tool::Tool;
use holdfast_worker::registration::RemoteRegistrar;
use serde_json::json;

use super::{Context, flag};
use crate::compose::{self, Process};
use crate::error::{Error, Result};
use crate::exit::Exit;

/// Serve one role in a process of its own
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast serve worker --join 127.0.0.1:7424 --allow exec=git")]
pub(crate) struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    Worker(WorkerArgs),
}

/// Host the built-in tools
#[derive(Debug, clap::Args)]
struct WorkerArgs {
    #[command(flatten)]
    join: JoinArgs,
    /// What the built-in tools may touch: exec=PROGRAM, read=PATH, write=PATH, host=HOST, separated by commas
    #[arg(long, value_name = "KIND=VALUE[,…]")]
    allow: Vec<crate::run::allow::Flag>,
}

/// How a worker process joins a platform.
#[derive(Debug, clap::Args)]
pub(super) struct JoinArgs {
    /// The health service at which the worker registers
    #[arg(long, value_name = "HOST:PORT")]
    join: Option<String>,
    /// Where the worker listens [default: 127.0.0.1:7421]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Write one line of JSON on stdout that says where the worker listens
    #[arg(long)]
    print_addresses: bool,
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let Role::Worker(worker) = &self.role;
        worker.join.flags()
    }

    pub(super) async fn run(self, mut context: Context) -> Result<Exit> {
        let Role::Worker(worker) = self.role;
        crate::run::allow::add(&mut context.config.value.worker.grants, &worker.allow);
        host(context, &worker.join, Vec::new()).await
    }
}

impl JoinArgs {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let given = [("--join", "join.health", &self.join), ("--listen", "worker.listen", &self.listen)];
        given.into_iter().filter_map(|(name, key, value)| Some(flag(name, key, value.as_ref()?))).collect()
    }
}

/// Hosts tools in this process, registered where the configuration says, until a signal comes.
pub(super) async fn host(context: Context, join: &JoinArgs, tools: Vec<Arc<dyn Tool>>) -> Result<Exit> {
    let Context { config, output } = context;
    let settings = config.value;
    let refused = |what: &'static str| {
        move |error: Box<dyn std::error::Error + Send + Sync>| Error::platform(what)(error)
    };
    let telemetry = holdfast_telemetry::init(&settings.telemetry)
        .map_err(|error| refused("telemetry can't start")(error.into()))?;
    if settings.join.health.is_empty() {
        return Err(Error::Usage("where does the worker register? Add --join HOST:PORT".to_owned()));
    }
    let id = match settings.join.worker_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| Error::Usage(format!("join.worker_id: {error}")))?),
    };
    let address = settings.worker.listen.to_string();
    let worker = compose::build_worker(&Process::system(), settings.worker, id, None, tools)?;
    let (listener, bound) = holdfast_rpc::server::bind(&address)
        .await
        .map_err(|error| refused("the worker can't listen")(error.into()))?;
    if join.print_addresses {
        output.line(&json!({"worker": bound, "worker_id": worker.id()}));
    }
    let shutdown = Shutdown::new();
    tokio::spawn(holdfast_runtime::shutdown::obey_signals(shutdown.clone()));
    let registrar = RemoteRegistrar::new(compose::channel(&settings.join.health));
    let ended = worker.run(listener, Some(Arc::new(registrar)), shutdown).await;
    telemetry.shutdown().await;
    ended.map(|()| Exit::Success).map_err(|error| refused("the worker")(error.into()))
}
