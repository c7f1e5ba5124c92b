//! The binaries, and the images around them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::run::{PROFILE, cargo, root, run};

/// The most that the image of the roles may take, in bytes.
pub(crate) const MOST: u64 = 100_000_000;

/// Builds what is out of date, and returns the binary.
pub(crate) fn make() -> Result<PathBuf> {
    let arguments =
        ["build", "--workspace", "--profile", PROFILE, "--bin", "holdfast", "--example", "otlp-receiver"];
    run(&mut cargo(&arguments))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let built = target.join(PROFILE);
    let (holdfast, receiver) = (built.join("holdfast"), built.join("examples/otlp-receiver"));
    run(Command::new("bash").arg(root().join("deploy/images/local.sh")).args([&holdfast, &receiver]))?;
    Ok(holdfast)
}
