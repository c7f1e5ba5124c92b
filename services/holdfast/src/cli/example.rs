//! `example`: workers that the examples need, and what they did.

use std::path::PathBuf;

use holdfast_runtime::config::Flag;
use holdfast_worker::config::Builtin;
use serde_json::json;
use trip_worker::{FaultPlan, Ledger, LedgerError, Row};

use super::Context;
use super::serve::JoinArgs;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::output::table;
use crate::settings::Settings;

/// Host the workers of the examples, and show what they did
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
    TripLedger(TripLedger),
}

/// Host the tools of examples/trip.yaml, with a ledger of what really happened
#[derive(Debug, clap::Args)]
struct TripWorker {
    #[command(flatten)]
    join: JoinArgs,
    #[command(flatten)]
    ledger: LedgerArgs,
    /// Let calls fail on command: TOOL:N=FAULT, N counting the calls of the tool from 1
    #[arg(long = "fail", value_name = "TOOL:N=FAULT")]
    faults: Vec<FaultPlan>,
}

/// List what the trip worker's tools really did, an effect a line
#[derive(Debug, clap::Args)]
struct TripLedger {
    #[command(flatten)]
    ledger: LedgerArgs,
}

#[derive(Debug, clap::Args)]
struct LedgerArgs {
    /// The ledger, a SQLite file [default: trip-ledger.db in the data folder]
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl LedgerArgs {
    async fn open(self, settings: &Settings) -> Result<Ledger> {
        let file = self.ledger.unwrap_or_else(|| settings.data_dir.join("trip-ledger.db"));
        Ledger::open(&file).await.map_err(refused)
    }
}

fn refused(error: LedgerError) -> Error {
    Error::platform("the ledger")(error.into())
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        match &self.which {
            Which::TripWorker(worker) => worker.join.flags(),
            Which::TripLedger(_) => Vec::new(),
        }
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        match self.which {
            Which::TripWorker(worker) => worker.run(context).await?,
            Which::TripLedger(list) => list.run(&context).await?,
        }
        Ok(Exit::Success)
    }
}

impl TripWorker {
    async fn run(self, mut context: Context) -> Result<()> {
        let settings = &mut context.config.value;
        settings.worker.builtin = Builtin::None;
        let ledger = self.ledger.open(settings).await?;
        let faults = self.faults.into_iter().fold(FaultPlan::default(), FaultPlan::and);
        let tools = trip_worker::tools(ledger, faults);
        crate::serve::worker::run(self.join.site(context)?, tools).await
    }
}

impl TripLedger {
    async fn run(self, context: &Context) -> Result<()> {
        let ledger = self.ledger.open(&context.config.value).await?;
        let rows = ledger.rows().await.map_err(refused)?;
        ledger.close().await;
        let output = context.output;
        if output.is_json() {
            rows.iter().for_each(|row| output.line(&as_json(row)));
        } else if !rows.is_empty() {
            output.text(&table::lines(&rows.iter().map(as_cells).collect::<Vec<_>>()));
        }
        Ok(())
    }
}

/// An effect, without its key: that stays between tool and platform.
fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "id": row.id,
        "tool": row.tool.as_str(),
        "task_id": row.call.task.to_string(),
        "call": row.call.call.to_string(),
        "attempt": row.attempt,
        "replays": row.replays,
        "undone_by": row.undone_by,
        "result": row.result,
    })
}

fn as_cells(row: &Row) -> Vec<String> {
    let undone = row.undone_by.map(|by| format!("undone by {by}")).unwrap_or_default();
    vec![
        row.id.to_string(),
        row.tool.to_string(),
        row.call.task.to_string(),
        format!("{}, attempt {}", row.call.call, row.attempt),
        row.result.to_string(),
        undone,
    ]
}
