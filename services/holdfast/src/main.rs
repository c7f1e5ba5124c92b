//! Holdfast's one binary: every role of the platform, and the command line of its users.

mod cli;
mod client;
mod compose;
mod doctor;
mod embedded;
mod error;
mod exit;
mod folder;
mod network;
mod output;
mod retention;
mod run;
mod secrets;
mod serve;
mod settings;
mod stored;

use std::process::ExitCode;

/// Small short-lived allocations on several threads are what a driver makes: the system's allocator took a fifth of
/// the time of a busy platform.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The guard of a program is no command: it runs before any thread or runtime is there.
    if std::env::args_os().nth(1).is_some_and(|word| word == "guard") {
        return holdfast_worker::guard::main(std::env::args_os().skip(2));
    }
    cli::main()
}
