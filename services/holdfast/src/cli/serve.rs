//! `serve`: one role in a process of its own.

use holdfast_runtime::config::{Flag, Source};

use super::{Context, flag};
use crate::error::Result;
use crate::exit::Exit;
use crate::serve::{self, Announce, Site};

/// Serve one role in a process of its own
///
/// Each role finds the others on this machine at their usual ports, unless told where they are; replicas of one are named
/// together, with commas.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast serve checkpoint &
  holdfast serve health &
  holdfast serve idempotency &
  holdfast serve worker --allow exec=git &
  holdfast serve orchestrator")]
pub(crate) struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    Orchestrator(OrchestratorArgs),
    Worker(WorkerArgs),
    Idempotency(IdempotencyArgs),
    Checkpoint(CheckpointArgs),
    Health(HealthArgs),
}

/// Serve the public API, and drive tasks
#[derive(Debug, clap::Args)]
struct OrchestratorArgs {
    /// Where it listens [default: 127.0.0.1:7420]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The journal [default: 127.0.0.1:7423]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    checkpoint: Option<String>,
    /// The key store [default: 127.0.0.1:7422]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    idempotency: Option<String>,
    /// The registry of workers [default: 127.0.0.1:7424]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    health: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
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

/// Serve the fast front of the key table
#[derive(Debug, clap::Args)]
struct IdempotencyArgs {
    /// Where it listens [default: 127.0.0.1:7422]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The journal, whose key table decides [default: 127.0.0.1:7423]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    checkpoint: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Serve the journal's store
///
/// It is PostgreSQL where `store.url` names one (HOLDFAST_STORE__URL, or HOLDFAST_STORE__URL_FILE for a file that holds
/// it), else SQLite in the data folder.
#[derive(Debug, clap::Args)]
struct CheckpointArgs {
    /// Where it listens [default: 127.0.0.1:7423]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The folder of the SQLite file, where no other store is configured [default: .holdfast]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Serve the registry of workers and the breakers
#[derive(Debug, clap::Args)]
struct HealthArgs {
    /// Where it listens [default: 127.0.0.1:7424]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// What every role takes.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArgs {
    /// Where Prometheus reads metrics [default: nowhere]
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Write one line of JSON on stdout that says where the role listens
    #[arg(long)]
    print_addresses: bool,
}

/// How a worker process joins a platform.
#[derive(Debug, clap::Args)]
pub(super) struct JoinArgs {
    /// The health service at which the worker registers, every replica of it [default: 127.0.0.1:7424]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    join: Option<String>,
    /// The journal, for large arguments and results [default: 127.0.0.1:7423, none with --join]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    checkpoint: Option<String>,
    /// The key store, for evidence of what happened [default: 127.0.0.1:7422, none with --join]
    #[arg(long, value_name = "HOST:PORT[,…]")]
    idempotency: Option<String>,
    /// Where the worker listens [default: 127.0.0.1:7421]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

type Given<'a> = (&'static str, &'static str, &'a Option<String>);

fn flags_of<const N: usize>(given: [Given<'_>; N], common: &CommonArgs) -> Vec<Flag> {
    let metrics = ("--metrics", "telemetry.prometheus", &common.metrics);
    let given = given.into_iter().chain([metrics]);
    given.filter_map(|(name, key, value)| Some(flag(name, key, value.as_ref()?))).collect()
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        match &self.role {
            Role::Orchestrator(OrchestratorArgs { listen, checkpoint, idempotency, health, common }) => {
                flags_of(
                    [
                        ("--listen", "serve.orchestrator", listen),
                        ("--checkpoint", "join.checkpoint", checkpoint),
                        ("--idempotency", "join.idempotency", idempotency),
                        ("--health", "join.health", health),
                    ],
                    common,
                )
            }
            Role::Worker(worker) => worker.join.flags(),
            Role::Idempotency(IdempotencyArgs { listen, checkpoint, common }) => flags_of(
                [("--listen", "serve.idempotency", listen), ("--checkpoint", "join.checkpoint", checkpoint)],
                common,
            ),
            Role::Checkpoint(CheckpointArgs { listen, data_dir, common }) => flags_of(
                [("--listen", "serve.checkpoint", listen), ("--data-dir", "data_dir", data_dir)],
                common,
            ),
            Role::Health(HealthArgs { listen, common }) => {
                flags_of([("--listen", "serve.health", listen)], common)
            }
        }
    }

    pub(super) async fn run(self, mut context: Context) -> Result<Exit> {
        match self.role {
            Role::Orchestrator(args) => {
                serve::orchestrator::run(args.common.site("orchestrator", context)?).await?;
            }
            Role::Worker(args) => {
                crate::run::allow::add(&mut context.config.value.worker.grants, &args.allow);
                serve::worker::run(args.join.site(context)?, Vec::new()).await?;
            }
            Role::Idempotency(args) => {
                serve::idempotency::run(args.common.site("idempotency", context)?).await?;
            }
            Role::Checkpoint(args) => {
                serve::checkpoint::run(args.common.site("checkpoint", context)?).await?;
            }
            Role::Health(args) => serve::health::run(args.common.site("health", context)?).await?,
        }
        Ok(Exit::Success)
    }
}

impl CommonArgs {
    fn site(&self, role: &'static str, context: Context) -> Result<Site> {
        let announce = if self.print_addresses { Announce::Json } else { Announce::Note };
        let Context { config, output } = context;
        Site::open(role, config.value, output, announce)
    }
}

impl JoinArgs {
    pub(super) fn flags(&self) -> Vec<Flag> {
        flags_of(
            [
                ("--join", "join.health", &self.join),
                ("--checkpoint", "join.checkpoint", &self.checkpoint),
                ("--idempotency", "join.idempotency", &self.idempotency),
                ("--listen", "worker.listen", &self.listen),
            ],
            &self.common,
        )
    }

    /// The process of a worker that joins so.
    pub(super) fn site(&self, mut context: Context) -> Result<Site> {
        let mut join = context.config.value.join.clone();
        join.with_stores_named(|key| context.config.source(key) != Source::Default);
        context.config.value.join = join;
        self.common.site("worker", context)
    }
}
