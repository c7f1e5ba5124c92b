//! The alert rules: read by Prometheus's own tool, and run against series that are written down.

use std::process::Command;

use crate::report::Report;
use crate::run::{root, run, works};
use crate::{servers, tools};

/// Debian's package that has `promtool`.
const PACKAGE: &str = "prometheus";

/// Checks `deploy/prometheus`: its configuration, its rules, and what they say of the series of their tests.
pub(crate) fn check(report: &mut Report) {
    let name = "promtool";
    match install() {
        Ok(()) => {
            for arguments in [
                ["check", "config", "deploy/prometheus/prometheus.yml"],
                ["check", "rules", "deploy/prometheus/alerts.yml"],
                ["test", "rules", "deploy/prometheus/tests/alerts.yml"],
            ] {
                let step = format!("{name} {}", arguments.join(" "));
                report.step(&step, || run(Command::new(name).args(arguments).current_dir(root())));
            }
        }
        Err(error) if tools::in_ci() => report.step(name, || Err(error)),
        Err(error) => report.left_out(name, &format!("{error:#}")),
    }
}

fn install() -> anyhow::Result<()> {
    if works(Command::new("promtool").arg("--version")) {
        return Ok(());
    }
    servers::packages(&[PACKAGE])
}
