//! `completions`: a script for a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;
use crate::error::Result;
use crate::exit::Exit;
use crate::output::Output;

/// Write a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast completions bash > ~/.local/share/bash-completion/completions/holdfast")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(super) fn run(self, output: Output) -> Result<Exit> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "holdfast", &mut script);
        output.text(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::Success)
    }
}
