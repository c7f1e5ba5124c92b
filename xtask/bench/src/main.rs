//! Measures Holdfast from outside: the real binary, a real gRPC worker, a client; beside the floor of the same hops
//! on the same machine in the same run.

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
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::default();
    let span = std::time::Duration::from_secs(args.seconds);

    eprintln!("floors of this machine …");
    report.floor = floor::measure(span.min(std::time::Duration::from_secs(3))).await?;
    for concurrency in [1, 16, 64] {
        eprintln!("durable steps, {concurrency} tasks at once …");
        report.steps.push(measure::steps(&args.binary, concurrency, span).await?);
    }
    eprintln!("fan-out to 100 …");
    report.fan_out = measure::fan_out(&args.binary).await?;
    eprintln!("bytes stored …");
    report.storage = measure::storage(&args.binary).await?;
    eprintln!("SIGKILL to done …");
    report.recovery = measure::recovery(&args.binary).await?;

    println!("{report}");
    if let Some(path) = args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
