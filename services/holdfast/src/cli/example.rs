//! `example`: workers that the examples need.

use std::path::PathBuf;

use holdfast_runtime::config::Flag;
use holdfast_worker::config::Builtin;
use trip_worker::{FaultPlan, Ledger};

use super::Context;
use super::serve::JoinArgs;
use crate::error::{Error, Result};
use crate::exit::Exit;

/// Host the workers of the examples
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast example trip-worker --join 127.0.0.1:7424 --fail charge_card:1=transient")]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    TripWorker(TripWorker),
}

/// Host the tools of examples/trip.yaml, with a ledger of what really happened
#[derive(Debug, clap::Args)]
struct TripWorker {
    #[command(flatten)]
    join: JoinArgs,
    /// The ledger, a SQLite file [default: trip-ledger.db in the data folder]
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Let calls fail on command: TOOL:N=FAULT, N counting the calls of the tool from 1
    #[arg(long = "fail", value_name = "TOOL:N=FAULT")]
    faults: Vec<FaultPlan>,
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let Which::TripWorker(worker) = &self.which;
        worker.join.flags()
    }

    pub(super) async fn run(self, mut context: Context) -> Result<Exit> {
        let Which::TripWorker(worker) = self.which;
        let settings = &mut context.config.value;
        settings.worker.builtin = Builtin::None;
        let ledger = worker.ledger.unwrap_or_else(|| settings.data_dir.join("trip-ledger.db"));
        let ledger =
            Ledger::open(&ledger).await.map_err(|error| Error::platform("the ledger")(error.into()))?;
        let faults = worker.faults.into_iter().fold(FaultPlan::default(), FaultPlan::and);
        let tools = trip_worker::tools(ledger, faults);
        crate::serve::worker::run(worker.join.site(context)?, tools).await?;
        Ok(Exit::Success)
    }
}
