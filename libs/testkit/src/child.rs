//! A real process in a test: started, signalled, waited for with a deadline, and killed at the end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What can be done to a process from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// SIGKILL: it ends at once and can't help it.
    Kill,
    /// SIGSTOP: it stands still, as in a long pause of its machine.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Why a process did not do what the test waits for.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("can't start {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It could not be signalled or waited for.
    #[error("can't reach process {pid}")]
    Reach {
        /// The process.
        pid: u32,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It took too long.
    #[error("no {what} within {within:?}; on stdout so far: {stdout:?}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        within: Duration,
        /// What it wrote.
        stdout: Vec<String>,
    },
    /// It closed its stdout before it wrote what was waited for.
    #[error("it closed stdout without {what}; on stdout: {stdout:?}")]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// What it wrote.
        stdout: Vec<String>,
    },
}

/// A child process that is killed, with its process group, when this is dropped.
///
/// Its stdout is read all the time, so that it never blocks on a full pipe; its stdin is empty; its stderr goes
/// where the command says, else where the test's goes. The waits block their thread: in an async test use
/// `spawn_blocking`, or a multi-threaded runtime.
#[derive(Debug)]
pub struct ChildGuard {
    child: Child,
    ended: Option<ExitStatus>,
    stdout: Arc<Stdout>,
}

#[derive(Debug, Default)]
struct Stdout {
    // Std mutex and condvar: the reader is a thread.
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Written {
    lines: Vec<String>,
    closed: bool,
}

impl ChildGuard {
    /// Starts the command in a process group of its own.
    ///
    /// # Errors
    /// [`ChildError::Start`].
    pub fn start(mut command: Command) -> Result<Self, ChildError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|source| ChildError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
        let stdout = Arc::new(Stdout::default());
        if let Some(pipe) = child.stdout.take() {
            let keep = Arc::clone(&stdout);
            std::thread::spawn(move || keep.read(pipe));
        }
        Ok(Self { child, ended: None, stdout })
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns every line that it wrote to stdout so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.stdout.lock().lines.clone()
    }

    /// Waits for a line on stdout that `wanted` takes, from the first line on, and returns what it made of it.
    ///
    /// # Errors
    /// [`ChildError::Late`] after `within`; [`ChildError::Silent`] where stdout is closed before.
    pub fn line<T>(
        &self,
        what: &'static str,
        within: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ChildError> {
        let deadline = SystemClock.boot().after(within);
        let mut written = self.stdout.lock();
        let mut seen = 0;
        loop {
            if let Some(found) = written.lines[seen..].iter().find_map(|line| wanted(line)) {
                return Ok(found);
            }
            seen = written.lines.len();
            if written.closed {
                return Err(ChildError::Silent { what, stdout: written.lines.clone() });
            }
            let left = deadline.since(SystemClock.boot());
            if left.is_zero() {
                return Err(ChildError::Late { what, within, stdout: written.lines.clone() });
            }
            written =
                self.stdout.changed.wait_timeout(written, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the JSON line of addresses that `--print-addresses` writes.
    ///
    /// # Errors
    /// Those of [`Self::line`].
    pub fn addresses(&self, within: Duration) -> Result<serde_json::Value, ChildError> {
        self.line("line of addresses", within, |line| {
            serde_json::from_str(line).ok().filter(serde_json::Value::is_object)
        })
    }

    /// Sends a signal to the process, not to its group; nothing where it has ended.
    ///
    /// # Errors
    /// [`ChildError::Reach`].
    pub fn send(&mut self, sign: Sign) -> Result<(), ChildError> {
        let signal = match sign {
            Sign::Kill => Signal::KILL,
            Sign::Stop => Signal::STOP,
            Sign::Continue => Signal::CONT,
            Sign::Interrupt => Signal::INT,
            Sign::Terminate => Signal::TERM,
        };
        // Asked first: the id of a process that was waited for may be another's.
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), signal).map_err(|error| self.unreached(error.into()))
    }

    /// Kills it with SIGKILL and waits for its end. What it started is left alone: that is for the test to see.
    ///
    /// # Errors
    /// [`ChildError::Reach`].
    pub fn kill(&mut self) -> Result<ExitStatus, ChildError> {
        self.send(Sign::Kill)?;
        let status = self.child.wait().map_err(|error| self.unreached(error))?;
        self.ended = Some(status);
        Ok(status)
    }

    /// Returns how it ended; none while it runs.
    ///
    /// # Errors
    /// [`ChildError::Reach`].
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, ChildError> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(|error| self.unreached(error))?;
        }
        Ok(self.ended)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// [`ChildError::Late`] after `within`; [`ChildError::Reach`].
    #[allow(clippy::disallowed_methods)] // the pause between two looks at a process, which has no condvar
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus, ChildError> {
        let deadline = SystemClock.boot().after(within);
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if deadline.since(SystemClock.boot()).is_zero() {
                return Err(ChildError::Late { what: "end", within, stdout: self.lines() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn unreached(&self, source: std::io::Error) -> ChildError {
        ChildError::Reach { pid: self.child.id(), source }
    }
}

impl Stdout {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, pipe: impl std::io::Read) {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            self.lock().lines.push(line);
            self.changed.notify_all();
        }
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // The group may have members where its leader has ended; without any the signal reaches nobody.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::running_with;

    const GUARD: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> ChildGuard {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ChildGuard::start(command).unwrap()
    }

    #[test]
    fn it_finds_the_line_of_addresses_among_others() {
        let child = shell("echo starting; echo '{\"orchestrator\": \"127.0.0.1:1\"}'; exec sleep 600");
        assert_eq!(child.addresses(GUARD).unwrap()["orchestrator"], "127.0.0.1:1");
        assert_eq!(child.lines()[0], "starting");
    }

    #[test]
    fn a_process_that_says_nothing_is_told_from_one_that_is_late() {
        let ended = shell("echo no");
        assert!(matches!(ended.addresses(GUARD), Err(ChildError::Silent { .. })));
        let late = shell("exec sleep 600");
        assert!(matches!(late.addresses(Duration::from_millis(20)), Err(ChildError::Late { .. })));
    }

    #[test]
    fn it_ends_as_it_was_made_to() {
        assert_eq!(shell("exit 8").wait(GUARD).unwrap().code(), Some(8));
        assert_eq!(shell("exec sleep 600").kill().unwrap().signal(), Some(9));
        let mut stopped = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        stopped.line("ready", GUARD, |line| (line == "ready").then_some(())).unwrap();
        stopped.send(Sign::Stop).unwrap();
        stopped.send(Sign::Terminate).unwrap();
        assert!(stopped.wait(Duration::from_millis(50)).is_err(), "a stopped process handles nothing");
        stopped.send(Sign::Continue).unwrap();
        assert_eq!(stopped.wait(GUARD).unwrap().code(), Some(7));
    }

    #[test]
    fn nothing_that_it_started_is_left() {
        let marker = format!("600.{}", std::process::id());
        let child = shell(&format!("sleep {marker} & echo ready; wait"));
        child.line("ready", GUARD, |line| (line == "ready").then_some(())).unwrap();
        assert!(!running_with(&marker).unwrap().is_empty());
        drop(child);
        let deadline = SystemClock.boot().after(GUARD);
        while !running_with(&marker).unwrap().is_empty() {
            assert!(!deadline.since(SystemClock.boot()).is_zero(), "it still runs");
            std::thread::yield_now();
        }
    }
}
