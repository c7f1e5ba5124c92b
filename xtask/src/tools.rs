//! Tools that are not part of a Rust toolchain: found, or installed below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
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
    run(pip_install(&environment).arg(BUF_PACKAGE))
}

/// Makes a Python that has the packages of a `requirements.txt`, in a virtual environment below `target/` that is made
/// anew when they change.
///
/// # Errors
/// Where there is no python3 with venv, or the packages can't be installed; the message says what to do.
pub(crate) fn python(requirements: &Path) -> Result<PathBuf> {
    let environment = root().join("target/python");
    let python = environment.join("bin/python");
    let wanted = fs::read(requirements).with_context(|| format!("read {}", requirements.display()))?;
    // Written last: it says that everything before it went well.
    let installed = environment.join("installed.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted)
        && works(Command::new(&python).arg("--version"))
    {
        return Ok(python);
    }
    let install = || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        run(pip_install(&environment).arg("--requirement").arg(requirements))?;
        fs::write(&installed, &wanted).with_context(|| format!("write {}", installed.display()))
    };
    install().with_context(|| {
        format!("python3 could not install {}: install python3 with venv", requirements.display())
    })?;
    Ok(python)
}

fn pip_install(environment: &Path) -> Command {
    let mut command = Command::new(environment.join("bin/python"));
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}
