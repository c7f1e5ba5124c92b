//! Measures Holdfast from outside: the real binary, a real gRPC worker, a client; beside the floor of the same hops
//! on the same machine in the same run. First in one process with SQLite, then spread out over PostgreSQL and Redis.

mod client;
mod cpu;
mod decisions;
mod floor;
mod measure;
mod overload;
mod plans;
mod platform;
mod report;
mod spread_out;
mod stats;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use report::Report;

/// Measures durable steps a second, fan-out, storage and recovery, on one machine and spread out.
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
    /// What is measured of each platform.
    #[arg(long, default_value = "all")]
    figures: Figures,
    /// Measure this one only.
    #[arg(long)]
    only: Option<Platform>,
}

/// What is measured of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Figures {
    /// Everything.
    All,
    /// Durable steps a second.
    Throughput,
    /// What the decisions of a call cost, and what limits are worth at overload.
    Resilience,
}

/// The platforms that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Platform {
    /// All roles in one process, over SQLite.
    OneProcess,
    /// Each role in a process of its own, over PostgreSQL and Redis.
    SpreadOut,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::default();
    let span = Duration::from_secs(args.seconds);

    eprintln!("floors of this machine …");
    report.floor = floor::measure(&args.concurrency, span.min(Duration::from_secs(3))).await?;
    if args.figures != Figures::Throughput {
        resilience(&args, span, &mut report).await?;
    }
    if args.figures == Figures::Resilience {
        return told(&args, &report);
    }
    if args.only != Some(Platform::SpreadOut) {
        in_one_process(&args, span, &mut report).await?;
    }
    if args.only != Some(Platform::OneProcess) {
        report.spread_out = Some(spread_out::measure(&args, &report.floor, span).await?);
    }

    told(&args, &report)
}

fn told(args: &Args, report: &Report) -> Result<()> {
    print!("{report}");
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(report)?)?;
    }
    Ok(())
}

async fn resilience(args: &Args, span: Duration, report: &mut Report) -> Result<()> {
    eprintln!("decisions of a call …");
    report.decisions = Some(decisions::measure());
    eprintln!("a dependency at twice its capacity …");
    report.overload = Some(overload::measure(&args.binary, span).await?);
    Ok(())
}

async fn in_one_process(args: &Args, span: Duration, report: &mut Report) -> Result<()> {
    for &concurrency in &args.concurrency {
        eprintln!("durable steps, {concurrency} tasks at once …");
        report.steps.push(measure::steps(&args.binary, concurrency, span).await?);
    }
    if args.figures == Figures::Throughput {
        return Ok(());
    }
    eprintln!("fan-out to 100 …");
    report.fan_out = Some(measure::fan_out(&args.binary).await?);
    eprintln!("bytes stored …");
    report.storage = Some(measure::storage(&args.binary).await?);
    eprintln!("SIGKILL to done …");
    report.recovery = Some(measure::recovery(&args.binary).await?);
    Ok(())
}
