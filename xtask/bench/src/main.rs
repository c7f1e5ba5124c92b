//! Measures Holdfast from outside: the real binary, a real gRPC worker, a client; beside the floor of the same hops
//! on the same machine in the same run.

mod cpu;
mod floor;
mod measure;
mod plans;
mod platform;
mod report;
mod stats;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

use report::Report;

/// Measures durable steps a second, fan-out, storage and recovery.
#[derive(Debug, Parser)]
struct Args {
    /// The holdfast binary.
    #[arg(long)]
    binary: PathBuf,
    /// Write the figures as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Seconds for each throughput figure.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// How many tasks at once, for the throughput figures.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    concurrency: Vec<u32>,
    /// Measure throughput alone.
    #[arg(long)]
    steps_only: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::default();
    let span = std::time::Duration::from_secs(args.seconds);

    eprintln!("floors of this machine …");
    report.floor = floor::measure(&args.concurrency, span.min(std::time::Duration::from_secs(3))).await?;
    for concurrency in args.concurrency {
        eprintln!("durable steps, {concurrency} tasks at once …");
        report.steps.push(measure::steps(&args.binary, concurrency, span).await?);
    }
    if !args.steps_only {
        eprintln!("fan-out to 100 …");
        report.fan_out = Some(measure::fan_out(&args.binary).await?);
        eprintln!("bytes stored …");
        report.storage = Some(measure::storage(&args.binary).await?);
        eprintln!("SIGKILL to done …");
        report.recovery = Some(measure::recovery(&args.binary).await?);
    }

    println!("{report}");
    if let Some(path) = args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
