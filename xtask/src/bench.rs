//! `cargo xtask bench`: builds the binary and the benchmark in the release profile, and runs the one on the other.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::run::{cargo, root, run as run_command};
use crate::servers;

/// Measures, and writes the figures as JSON where a file is named.
///
/// # Errors
/// Where something does not build, or a measurement fails.
pub(crate) fn run(json: Option<PathBuf>) -> Result<()> {
    servers::install()?;
    run_command(&mut cargo(&["build", "--release", "--package", "holdfast", "--package", "holdfast-bench"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let release = target.join("release");
    let mut command = Command::new(release.join("holdfast-bench"));
    command.arg("--binary").arg(release.join("holdfast"));
    if let Some(json) = json {
        command.arg("--json").arg(json);
    }
    run_command(&mut command)
}
