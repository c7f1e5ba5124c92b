//! Unit, integration and documentation tests.

use crate::counts::Counts;
use crate::report::Report;
use crate::run::{PROFILE, cargo, counted};
use crate::{doctests, servers, tools};

/// Runs every test with nextest where it is installed, else with cargo.
pub(crate) fn run(report: &mut Report) {
    if let Err(error) = servers::install() {
        report.step("install the servers of the tests", || Err(error));
    }
    if tools::has_nextest() {
        let arguments = [
            "nextest",
            "run",
            "--workspace",
            "--cargo-profile",
            PROFILE,
            "--profile",
            "ci",
            "--color",
            "never",
        ];
        report.counted("cargo nextest run", || counted(&mut cargo(&arguments), Counts::of_nextest));
    } else {
        // --tests leaves the documentation out: it has a step of its own.
        let arguments =
            ["test", "--workspace", "--lib", "--bins", "--tests", "--profile", PROFILE, "--no-fail-fast"];
        report.counted("cargo test", || counted(&mut cargo(&arguments), Counts::of_cargo_test));
    }
}

/// Runs the documentation tests of the crates that have any.
pub(crate) fn docs(report: &mut Report) {
    let crates = match doctests::crates_with_any() {
        Ok(crates) if crates.is_empty() => return,
        Ok(crates) => crates,
        Err(error) => return report.step("documentation tests", || Err(error)),
    };
    let mut arguments = vec!["test", "--doc", "--profile", PROFILE, "--no-fail-fast"];
    for name in &crates {
        arguments.extend(["--package", name]);
    }
    report.counted("documentation tests", || counted(&mut cargo(&arguments), Counts::of_cargo_test));
}
