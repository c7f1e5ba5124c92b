//! Formatting, clippy, and the API's files.

use std::process::Command;

use crate::report::Report;
use crate::run::{PROFILE, cargo, root, run};
use crate::{proto, tools};

/// Checks that every file is formatted.
pub(crate) fn formatting(report: &mut Report) {
    report.step("cargo fmt --check", || run(&mut cargo(&["fmt", "--all", "--check"])));
}

/// Checks every crate with clippy: a warning is an error.
pub(crate) fn clippy(report: &mut Report) {
    let arguments = ["clippy", "--workspace", "--all-targets", "--profile", PROFILE, "--", "-D", "warnings"];
    report.step("cargo clippy", || run(&mut cargo(&arguments)));
}

/// Checks that the generated code is what proto/ generates, and that proto/ is clean by buf's STANDARD.
pub(crate) fn api(report: &mut Report) {
    report.step("cargo xtask proto --check", || proto::run(proto::Mode::Check));
    match tools::buf() {
        Ok(buf) => {
            report.step("buf lint", || run(Command::new(buf).arg("lint").current_dir(root().join("proto"))))
        }
        Err(error) if tools::in_ci() => report.step("buf lint", || Err(error)),
        Err(error) => report.left_out("buf lint", &format!("{error:#}")),
    }
}
