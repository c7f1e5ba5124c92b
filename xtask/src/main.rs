//! What the developers of Holdfast run: `cargo xtask --help`.

mod alerts;
mod bench;
mod cli;
mod compose;
mod counts;
mod doctests;
mod examples;
mod lint;
mod proto;
mod python;
mod report;
mod run;
mod servers;
mod sizes;
mod suite;
mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
