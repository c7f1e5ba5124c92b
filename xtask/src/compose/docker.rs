//! The engine, and whichever of the two programs there are that read a compose file.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::run::works;

/// An engine that answers.
pub(crate) struct Docker {
    compose: &'static [&'static str],
}

impl Docker {
    /// Finds the engine.
    ///
    /// # Errors
    /// Where there is none, or nothing that reads a compose file, or nothing to make images with.
    pub(crate) fn find() -> Result<Self> {
        ensure!(works(Command::new("docker").arg("info")), "no Docker engine answers");
        for program in ["apt-get", "dpkg-deb", "bash"] {
            ensure!(
                works(Command::new(program).arg("--version")),
                "images are made with {program}: it is missing"
            );
        }
        for compose in [&["docker", "compose"][..], &["docker-compose"]] {
            if let [program, arguments @ ..] = compose
                && works(Command::new(program).args(arguments).arg("version"))
            {
                return Ok(Self { compose });
            }
        }
        bail!("there is neither docker-compose nor its plugin")
    }

    /// Makes a call of compose in a folder.
    pub(crate) fn compose(&self, folder: &Path) -> Command {
        let (program, arguments) = self.compose.split_first().unwrap_or((&"docker-compose", &[]));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        command
    }
}

/// Runs `docker`, and returns what it wrote.
pub(crate) fn docker(arguments: &[&str]) -> Result<String> {
    output(Command::new("docker").args(arguments))
}

/// Runs a command to its end, and returns what it wrote on stdout.
///
/// # Errors
/// Where it ends badly; what it wrote on stderr is told.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let ended = command.stdin(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    let told = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{:?} ended with {}: {}", command, ended.status, told.trim());
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}
