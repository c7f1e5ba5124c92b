//! Tools that are not part of a Rust toolchain: found, or installed below `target/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::{root, run, works};

/// The linter of proto files, as the package index of Python has it: a binary in a wheel.
const BUF_PACKAGE: &str = "buf-bin==1.75.0";

/// Returns whether this is a run of CI, where nothing may be left out.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value != "false" && !value.is_empty())
}

/// Returns whether cargo-nextest is installed.
pub(crate) fn has_nextest() -> bool {
    works(&mut crate::run::cargo(&["nextest", "--version"]))
}

/// Finds `buf`, or installs it into a virtual environment below `target/`.
///
/// # Errors
/// Where it is not there and can't be installed; the message says what to do.
pub(crate) fn buf() -> Result<PathBuf> {
    let installed = root().join("target/tools/bin/buf");
    for candidate in [PathBuf::from("buf"), installed.clone()] {
        if works(Command::new(&candidate).arg("--version")) {
            return Ok(candidate);
        }
    }
    install_buf().with_context(|| {
        format!("buf is not installed, and python3 could not install {BUF_PACKAGE}: install buf, or python3 with venv")
    })?;
    ensure!(works(Command::new(&installed).arg("--version")), "{} does not run", installed.display());
    Ok(installed)
}

fn install_buf() -> Result<()> {
    let environment = root().join("target/tools");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    run(Command::new(environment.join("bin/python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        BUF_PACKAGE,
    ]))
}
