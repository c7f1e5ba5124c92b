//! `breakers`: what every caller of a dependency is told, and an operator's say in it.

mod force;
mod list;
mod row;
mod watch;

use holdfast_runtime::config::Flag;

use super::Context;
use crate::error::Result;
use crate::exit::Exit;

/// See the breakers of all dependencies, and hold one open or closed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast breakers open mail-api --reason 'vendor is migrating' --for 2h")]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    List(list::Args),
    Watch(watch::Args),
    Open(force::Open),
    Close(force::Close),
    Reset(force::Reset),
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        match &self.which {
            Which::List(args) => args.server.flags(),
            Which::Watch(args) => args.server.flags(),
            Which::Open(args) => args.server.flags(),
            Which::Close(args) => args.server.flags(),
            Which::Reset(args) => args.server.flags(),
        }
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        match self.which {
            Which::List(args) => args.run(context).await,
            Which::Watch(args) => args.run(context).await,
            Which::Open(args) => args.run(context).await,
            Which::Close(args) => args.run(context).await,
            Which::Reset(args) => args.run(context).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: super::Args,
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} shows none", command.get_name());
        }
    }
}
