//! The subcommands: one file each, dispatched here.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::report::Report;
use crate::{alerts, bench, compose, examples, lint, proto, sizes, suite};

/// Builds, checks and measures Holdfast.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs every test: the API's files, the alert rules, unit, integration and doc tests, the examples, and the platform
    /// in containers. Installs what is missing.
    Test {
        /// What to leave out.
        #[arg(long, value_enum)]
        skip: Vec<Part>,
    },
    /// Runs what CI runs: formatting, lints, sizes, and all of `test`.
    Ci,
    /// Tries docker-compose.yml on the Docker engine of this machine: its images are made here, nothing is pulled.
    Compose,
    /// Measures durable steps a second, fan-out, storage and recovery, each beside its floor.
    Bench {
        /// Write the figures as JSON to this file too.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Generates the Rust code of the API from proto/.
    Proto {
        /// Only compare: fail where the committed code is not what would be generated.
        #[arg(long)]
        check: bool,
    },
}

/// A part of `test` that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The API's files and their lint.
    Api,
    /// The alert rules.
    Alerts,
    /// Documentation tests.
    Docs,
    /// The examples, run with the real binary.
    Examples,
    /// docker-compose.yml, on the Docker engine of this machine.
    Compose,
}

/// Does what the command line asks for.
///
/// # Errors
/// Where a single task fails; `test` and `ci` go on after a failure, and say it with their exit code.
pub(crate) fn run() -> Result<ExitCode> {
    let mut report = Report::default();
    match Cli::parse().task {
        Task::Proto { check } => {
            proto::run(if check { proto::Mode::Check } else { proto::Mode::Write })?;
            return Ok(ExitCode::SUCCESS);
        }
        Task::Bench { json } => {
            bench::run(json)?;
            return Ok(ExitCode::SUCCESS);
        }
        Task::Compose => compose::run(&mut report),
        Task::Test { skip } => test(&mut report, &skip),
        Task::Ci => {
            lint::formatting(&mut report);
            sizes::check(&mut report);
            lint::clippy(&mut report);
            test(&mut report, &[]);
        }
    }
    Ok(report.close())
}

fn test(report: &mut Report, skip: &[Part]) {
    if !skip.contains(&Part::Api) {
        lint::api(report);
    }
    if !skip.contains(&Part::Alerts) {
        alerts::check(report);
    }
    suite::run(report);
    if !skip.contains(&Part::Docs) {
        suite::docs(report);
    }
    if !skip.contains(&Part::Examples) {
        examples::run(report);
    }
    if !skip.contains(&Part::Compose) {
        compose::run(report);
    }
}
