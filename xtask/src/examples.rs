//! The examples, run with the real binary as their reader would run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::counts::Counts;
use crate::python;
use crate::report::Report;
use crate::run::{PROFILE, cargo, root, run as run_command};

/// An example: its file, and what its reader would add. `{folder}` is a folder with a few files.
struct Example {
    file: &'static str,
    arguments: &'static [&'static str],
}

/// Every example of `examples/`. Each has to end with exit code 0.
const EXAMPLES: &[Example] = &[
    Example { file: "trip.yaml", arguments: &[] },
    Example {
        file: "checksums.yaml",
        arguments: &[
            "--input",
            "folder={folder}",
            "--allow",
            "exec=sha256sum,read={folder},write=checksums.txt",
        ],
    },
];

/// Runs every example, each with a data folder of its own, and counts each as a test.
pub(crate) fn run(report: &mut Report) {
    let binary = match build() {
        Ok(binary) => binary,
        Err(error) => return report.step("build the examples", || Err(error)),
    };
    for example in EXAMPLES {
        report.counted(&format!("holdfast run examples/{}", example.file), || {
            try_one(&binary, example)?;
            Ok(Counts { passed: 1, ..Counts::default() })
        });
    }
    python::run(report, &binary);
}

fn build() -> Result<PathBuf> {
    run_command(&mut cargo(&["build", "--package", "holdfast", "--profile", PROFILE]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join(PROFILE).join("holdfast"))
}

fn try_one(binary: &Path, example: &Example) -> Result<()> {
    let scratch = tempfile::tempdir().context("make a temporary folder")?;
    let folder = scratch.path().join("files");
    std::fs::create_dir(&folder).context("make a folder of files")?;
    for number in 0..20 {
        let name = folder.join(format!("file {number}.txt"));
        std::fs::write(name, format!("content {number}\n")).context("write a file")?;
    }
    let file = root().join("examples").join(example.file);
    ensure!(file.is_file(), "{} does not exist", file.display());
    let mut command = Command::new(binary);
    command.arg("run").arg(file);
    for argument in example.arguments {
        command.arg(argument.replace("{folder}", &folder.to_string_lossy()));
    }
    command.arg("--data-dir").arg(scratch.path().join("data")).current_dir(scratch.path());
    run_command(&mut command)
}
