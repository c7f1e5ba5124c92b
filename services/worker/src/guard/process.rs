//! The guard process itself. It runs before any runtime, with threads and blocking calls only.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::process::{getpid, kill_process_group, set_child_subreaper, setsid, wait};

use super::control::Report;
use super::descendants;

/// The guard's name in lists of processes; at most 15 bytes.
const NAME: &str = "hf-guard";

/// How soon descendants are looked for again while some live.
const AGAIN: Duration = Duration::from_millis(2);

/// Runs a program under guard: `[--] PROGRAM ARGS…`. Call it first thing in `main`, before any thread is started.
///
/// Its standard input must be the socket that a worker made; without one (a person who tries it) it refuses.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().skip_while(|arg| arg == "--");
    let Some(program) = args.next() else {
        eprintln!("usage: guard -- PROGRAM [ARGS…]; it is started by a worker, not by hand");
        return ExitCode::from(2);
    };
    match guard(program, args.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::from(2)
        }
    }
}

fn guard(program: OsString, args: Vec<OsString>) -> io::Result<()> {
    // Who kills all processes of the worker's name must leave the guards: they end by themselves, after their programs.
    let _ = std::fs::write("/proc/self/comm", NAME);
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // A leader of a process group can't leave it; the worker starts guards as ordinary children, so this succeeds.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let input = match read_input(&control) {
        Ok(input) => input,
        // The worker went before it had said all: nothing is started.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(error),
    };

    let mut command = Command::new(program);
    command.args(args).process_group(0);
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tell(&control, &Report::NotStarted(error.raw_os_error().unwrap_or(0)));
            return Ok(());
        }
    };
    let started = i32::try_from(child.id()).unwrap_or(0);
    let leader = Pid::from_raw(started);
    tell(&control, &Report::Started(started));
    let watched = control.try_clone()?;
    std::thread::spawn(move || {
        wait_for_the_worker_to_go(&watched);
        kill_until_the_end(leader)
    });
    if let Some(mut stdin) = child.stdin.take() {
        // A program need not read its input, or all of it.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    if let Some(report) = wait_for_all(leader) {
        tell(&control, &report);
    }
    Ok(())
}

fn read_input(mut control: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    control.read_exact(&mut length)?;
    let mut input = Vec::new();
    let length = u64::from_le_bytes(length);
    control.take(length).read_to_end(&mut input)?;
    if u64::try_from(input.len()).ok() == Some(length) {
        Ok(input)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Tells the worker; one that is gone can't be told.
fn tell(mut control: &UnixStream, report: &Report) {
    let _ = control.write_all(format!("{report}\n").as_bytes());
}

fn wait_for_the_worker_to_go(mut control: &UnixStream) {
    let mut byte = [0];
    loop {
        match control.read(&mut byte) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
    }
}

/// Kills what lives below the guard, again and again, until the main thread has reaped the last and ends the process.
fn kill_until_the_end(leader: Option<Pid>) -> ! {
    if let Some(leader) = leader {
        let _ = kill_process_group(leader, Signal::KILL);
    }
    loop {
        descendants::kill_all();
        std::thread::park_timeout(AGAIN);
    }
}

/// Reaps until nothing is left below the guard; returns how the program itself ended.
///
/// Once the program has ended, what it left running is killed: it holds the outputs open, and its call is over.
fn wait_for_all(leader: Option<Pid>) -> Option<Report> {
    let mut ended = None;
    let mut options = WaitOptions::empty();
    loop {
        match wait(options) {
            Ok(Some((pid, status))) if Some(pid) == leader => {
                ended = report(status);
                // Mostly nothing is left, and then nothing is looked for.
                options = WaitOptions::NOHANG;
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                options = WaitOptions::empty();
                std::thread::spawn(move || kill_until_the_end(leader));
            }
            Err(Errno::INTR) => {}
            Err(_) => return ended,
        }
    }
}

fn report(status: WaitStatus) -> Option<Report> {
    let signalled = || status.terminating_signal().map(Report::Signalled);
    status.exit_status().map(Report::Exited).or_else(signalled)
}
