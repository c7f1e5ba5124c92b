//! Commands: where they run, and what is made of their output.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::counts::Counts;

/// The cargo profile of everything that CI builds.
pub(crate) const PROFILE: &str = "ci";

/// Returns the workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Makes a call of the cargo that runs this, in the workspace's folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // What cargo has set for this package makes crates whose build looks at it (ring, and all above it) be built again.
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Returns whether a command can be run at all and ends well; its output is dropped.
pub(crate) fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a test runner, shows its output, and adds up the lines of it that count.
///
/// # Errors
/// Where it ends badly without a failed test: then it did not build, or was killed.
pub(crate) fn counted(command: &mut Command, line: fn(&str) -> Option<Counts>) -> Result<Counts> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", shown(command)))?;
    // Runners differ in which of the two they close on.
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let counts = std::thread::scope(|scope| {
        let other = scope.spawn(move || stdout.map(|pipe| sum(pipe, line)).unwrap_or_default());
        let mut counts = stderr.map(|pipe| sum(pipe, line)).unwrap_or_default();
        counts += other.join().unwrap_or_default();
        counts
    });
    let status = child.wait().with_context(|| format!("wait for {}", shown(command)))?;
    ensure!(status.success() || counts.failed > 0, "{} ended with {status}", shown(command));
    Ok(counts)
}

fn sum(pipe: impl Read, count: fn(&str) -> Option<Counts>) -> Counts {
    let mut counts = Counts::default();
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        counts += count(&line).unwrap_or_default();
    }
    counts
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
