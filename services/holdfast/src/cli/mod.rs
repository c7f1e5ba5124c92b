//! The command line: one file a command.

mod breakers;
mod cancel;
mod compensate;
mod completions;
mod config;
mod decide;
mod dev;
mod doctor;
mod example;
mod fork;
mod get;
mod history;
mod init;
mod list;
mod ping;
mod place;
mod prune;
mod recover;
mod run;
mod secrets;
mod serve;
mod server;
mod submit;
mod tools;
mod trace;
mod validate;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use holdfast_runtime::config::Flag;

use crate::error::Result;
use crate::exit::Exit;
use crate::output::{Format, Output};
use crate::settings::{self, Settings};

/// Runs AI agents' work so that failure costs nothing: no lost step, no side effect done twice.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    max_term_width = 100,
    after_help = "\
Example:
  holdfast run examples/trip.yaml"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file; without it holdfast.toml of the working folder, where there is one
    #[arg(long, global = true, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write data as JSON on stdout, and all else on stderr
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Dev(dev::Args),
    Serve(serve::Args),
    Submit(submit::Args),
    Get(get::Args),
    Watch(watch::Args),
    List(list::Args),
    Cancel(cancel::Args),
    Fork(fork::Args),
    Compensate(compensate::Args),
    History(history::Args),
    Trace(trace::Args),
    Tools(tools::Args),
    Breakers(breakers::Args),
    Validate(validate::Args),
    Approve(decide::Approve),
    Answer(decide::Answer),
    Resolve(decide::Resolve),
    Resume(decide::Resume),
    Init(init::Args),
    Secrets(secrets::Args),
    Config(config::Args),
    Completions(completions::Args),
    Ping(ping::Args),
    Doctor(doctor::Args),
    Prune(prune::Args),
    Recover(recover::Args),
    Example(example::Args),
}

/// What a command works with.
pub(crate) struct Context {
    /// What is in force.
    pub(crate) config: holdfast_runtime::Config<Settings>,
    /// How to write.
    pub(crate) output: Output,
}

/// Reads the command line, does what it says, and says how it went.
pub(crate) fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let output = Output::new(if global.json { Format::Json } else { Format::Human });
    match go(global, command, output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.note(&format!("error: {}", error.told()));
            error.exit().into()
        }
    }
}

fn go(global: Global, command: Command, output: Output) -> Result<Exit> {
    // These need no configuration, and must work where it is broken.
    let command = match command {
        Command::Completions(args) => return args.run(output),
        Command::Init(args) => return args.run(output),
        Command::Secrets(args) => return args.run(output),
        other => other,
    };
    let config = settings::load(global.config, command.flags())?;
    // `doctor` has them among its findings.
    if !matches!(command, Command::Doctor(_)) {
        for warning in &config.warnings {
            output.note(&format!("warning: {warning}"));
        }
    }
    let context = Context { config, output };
    if let Command::Config(args) = command {
        return args.run(&context);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| crate::error::Error::platform("the runtime can't start")(error.into()))?;
    let exit = runtime.block_on(command.execute(context));
    // A thread that is blocked in the system must not keep a process that has said its word.
    runtime.shutdown_background();
    exit
}

impl Command {
    /// The flags that stand for keys of the configuration.
    fn flags(&self) -> Vec<Flag> {
        match self {
            Self::Run(args) => args.flags(),
            Self::Dev(args) => args.flags(),
            Self::Serve(args) => args.flags(),
            Self::Example(args) => args.flags(),
            Self::Validate(args) => args.server.flags(),
            Self::Submit(args) => args.server.flags(),
            Self::Get(args) => args.server.flags(),
            Self::Watch(args) => args.server.flags(),
            Self::List(args) => args.server.flags(),
            Self::Cancel(args) => args.server.flags(),
            Self::Fork(args) => args.server.flags(),
            Self::Compensate(args) => args.server.flags(),
            Self::History(args) => args.server.flags(),
            Self::Trace(args) => args.server.flags(),
            Self::Tools(args) => args.server.flags(),
            Self::Breakers(args) => args.flags(),
            Self::Approve(args) => args.server.flags(),
            Self::Answer(args) => args.server.flags(),
            Self::Resolve(args) => args.server.flags(),
            Self::Resume(args) => args.server.flags(),
            Self::Ping(args) => args.server.flags(),
            Self::Doctor(args) => args.flags(),
            Self::Prune(args) => args.flags(),
            Self::Recover(args) => args.flags(),
            Self::Init(_) | Self::Secrets(_) | Self::Config(_) | Self::Completions(_) => Vec::new(),
        }
    }

    async fn execute(self, context: Context) -> Result<Exit> {
        match self {
            Self::Run(args) => args.run(context).await,
            Self::Dev(args) => args.run(context).await,
            Self::Serve(args) => args.run(context).await,
            Self::Submit(args) => args.run(context).await,
            Self::Get(args) => args.run(context).await,
            Self::Watch(args) => args.run(context).await,
            Self::List(args) => args.run(context).await,
            Self::Cancel(args) => args.run(context).await,
            Self::Fork(args) => args.run(context).await,
            Self::Compensate(args) => args.run(context).await,
            Self::History(args) => args.run(context).await,
            Self::Trace(args) => args.run(context).await,
            Self::Tools(args) => args.run(context).await,
            Self::Breakers(args) => args.run(context).await,
            Self::Validate(args) => args.run(context).await,
            Self::Approve(args) => args.run(context).await,
            Self::Answer(args) => args.run(context).await,
            Self::Resolve(args) => args.run(context).await,
            Self::Resume(args) => args.run(context).await,
            Self::Ping(args) => args.run(context).await,
            Self::Doctor(args) => args.run(context).await,
            Self::Prune(args) => args.run(context).await,
            Self::Recover(args) => args.run(context).await,
            Self::Example(args) => args.run(context).await,
            Self::Init(args) => args.run(context.output),
            Self::Secrets(args) => args.run(context.output),
            Self::Config(args) => args.run(&context),
            Self::Completions(args) => args.run(context.output),
        }
    }
}

/// Makes the flag of a key.
fn flag(name: &str, key: &str, value: impl Into<String>) -> Flag {
    Flag { name: name.to_owned(), key: key.to_owned(), value: value.into() }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} shows none", command.get_name());
        }
    }
}
