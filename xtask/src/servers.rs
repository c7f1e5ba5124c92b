//! The servers that tests start for themselves, and packages in general: found, or installed from Debian's.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{run, works};

/// Where Debian's packages ask whether a server may be started when it is installed.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where Debian's package of PostgreSQL asks whether to make a cluster of its own.
const CLUSTERS: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs PostgreSQL and Redis where they are missing, without starting either: tests start their own.
///
/// # Errors
/// Where one is missing and can't be installed; the message says what to do.
pub(crate) fn install() -> Result<()> {
    let mut missing = Vec::new();
    if !has_postgres() {
        missing.extend(["postgresql", "postgresql-client"]);
    }
    if !works(Command::new("redis-server").arg("--version")) {
        missing.push("redis-server");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let clusters = Temporary::put(CLUSTERS, "create_main_cluster = false\n", "0644")?;
    let installed = packages(&missing).context("the tests need servers");
    // The package's own file of clusters stays.
    clusters.leave();
    installed
}

/// Installs packages of Debian, without starting what they serve.
///
/// # Errors
/// Where they can't be installed; the message says what to do.
pub(crate) fn packages(wanted: &[&str]) -> Result<()> {
    let names = wanted.join(" ");
    if !works(Command::new("apt-get").arg("--version")) || !is_root() {
        bail!("install the packages {names}");
    }
    eprintln!("\n==> apt-get install {names}");
    // What was there before is left as it was.
    let _policy = Temporary::put(POLICY, "#!/bin/sh\nexit 101\n", "0755")?;
    let keep = ["-o", "Dpkg::Options::=--force-confold"];
    run(&mut apt(&["update", "-qq"]))
        .and_then(|()| run(apt(&["install", "-qq", "-y", "--no-install-recommends"]).args(keep).args(wanted)))
        .with_context(|| format!("install the packages {names}"))
}

/// Debian keeps the programs of each version out of the search path.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders = versions.map(|version| version.path().join("bin"));
    folders.any(|folder| folder.join("initdb").exists()) || works(Command::new("initdb").arg("--version"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// A file that is removed again, unless it was there already.
struct Temporary {
    path: Option<&'static str>,
}

impl Temporary {
    fn put(path: &'static str, content: &str, mode: &str) -> Result<Self> {
        if Path::new(path).exists() {
            return Ok(Self { path: None });
        }
        if let Some(folder) = Path::new(path).parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        std::fs::write(path, content).with_context(|| format!("write {path}"))?;
        run(Command::new("chmod").args([mode, path]))?;
        Ok(Self { path: Some(path) })
    }

    /// Leaves the file where it is.
    fn leave(mut self) {
        self.path = None;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path {
            // A file that stays keeps later installations from starting their servers: say so.
            if let Err(error) = std::fs::remove_file(path) {
                eprintln!("{path} could not be removed: {error}");
            }
        }
    }
}
