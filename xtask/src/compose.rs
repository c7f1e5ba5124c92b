//! `docker-compose.yml`, tried on a real Docker engine: up, through every loss that it promises to survive, and down.
//!
//! The images are made here (`deploy/images/local.sh`), so that an engine that can pull none will do.

mod certificates;
mod checks;
mod docker;
mod images;
mod plans;
mod platform;
mod scenarios;
mod tasks;

use anyhow::Result;

use crate::counts::Counts;
use crate::report::Report;
use docker::Docker;
use platform::{Platform, Security};

const NAME: &str = "docker-compose.yml";

/// Brings the platform up, runs every scenario on it, each counted as a test, and takes it down whatever happened; then
/// again with TLS.
/// Where no engine answers, it is left out: the same scenarios run as processes in the system tests.
pub(crate) fn run(report: &mut Report) {
    let docker = match Docker::find() {
        Ok(docker) => docker,
        Err(missing) => return report.left_out(NAME, &format!("{missing:#}")),
    };
    report.counted(NAME, || try_all(&docker));
}

fn try_all(docker: &Docker) -> Result<Counts> {
    let binary = images::make()?;
    let mut counts = Counts::default();
    for (security, scenarios) in [(Security::Plain, scenarios::ALL), (Security::Tls, scenarios::SECURED)] {
        let platform = Platform::up(docker, binary.clone(), security)?;
        for (name, scenario) in scenarios {
            eprintln!("--> {name}");
            match scenario(&platform) {
                Ok(()) => counts.passed += 1,
                Err(error) => {
                    eprintln!("{name} failed: {error:#}\n{}", platform.logged());
                    counts.failed += 1;
                }
            }
        }
        drop(platform);
        platform::nothing_is_left()?;
    }
    Ok(counts)
}
