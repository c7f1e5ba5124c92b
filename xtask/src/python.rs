//! The Python example: its worker and `@once`, checked on a real platform.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::counts::Counts;
use crate::report::Report;
use crate::run::{counted, root, run as run_command};
use crate::tools;

/// Runs the checks of `examples/python`, and counts each as a test. Without Python they are left out, but not in CI.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let name = "examples/python";
    let example = root().join(name);
    match tools::python(&example.join("requirements.txt")) {
        Ok(python) => report.counted(name, || check(&python, &example, binary)),
        Err(error) if tools::in_ci() => report.step(name, || Err(error)),
        Err(error) => report.left_out(name, &format!("{error:#}")),
    }
}

fn check(python: &Path, example: &Path, binary: &Path) -> Result<Counts> {
    let generated = tempfile::tempdir().context("make a temporary folder")?;
    let protos = root().join("proto");
    let files = fs::read_dir(protos.join("holdfast/v1")).context("list the API's files")?;
    let files: Vec<PathBuf> =
        files.map(|entry| Ok(entry?.path())).collect::<Result<_>>().context("list the API's files")?;
    run_command(
        Command::new(python)
            .args(["-m", "grpc_tools.protoc"])
            .arg("-I")
            .arg(&protos)
            .arg("--python_out")
            .arg(generated.path())
            .arg("--grpc_python_out")
            .arg(generated.path())
            .args(files),
    )?;
    let mut checks = Command::new(python);
    checks.arg(example.join("tests/run.py")).arg(binary);
    checks.env("PYTHONPATH", generated.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    counted(&mut checks, Counts::of_checks)
}
