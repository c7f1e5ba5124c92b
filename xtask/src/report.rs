//! What was done, what failed, and the one line that closes it.

use std::process::ExitCode;

use anyhow::Result;

use crate::counts::Counts;

/// The steps so far. A failed step does not stop those after it: one run shows all that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: Counts,
    failed: Vec<String>,
}

impl Report {
    /// Does a step that counts nothing itself; its failure counts as one.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        self.counted(name, || step().map(|()| Counts::default()));
    }

    /// Does a step that counts tests.
    ///
    /// A step that fails without a failed test (it did not build, say) counts as one failure, so that the closing
    /// line never says "0 failed" of a run that did.
    pub(crate) fn counted(&mut self, name: &str, step: impl FnOnce() -> Result<Counts>) {
        eprintln!("\n==> {name}");
        match step() {
            Ok(counts) => {
                self.counts += counts;
                if counts.failed > 0 {
                    self.failed.push(name.to_owned());
                }
            }
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                self.counts.failed += 1;
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Notes that a step was left out.
    pub(crate) fn left_out(&mut self, name: &str, why: &str) {
        eprintln!("\n==> {name}\n!!! LEFT OUT: {why}");
        self.counts.skipped += 1;
    }

    /// Prints the closing line; the exit code says whether everything went well.
    pub(crate) fn close(self) -> ExitCode {
        if !self.failed.is_empty() {
            eprintln!("\nfailed: {}", self.failed.join(", "));
        }
        println!("\n{}", self.counts);
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
