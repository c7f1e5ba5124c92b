//! The worker's side: starts a guard, lets its program begin, and reads what becomes of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::control::{Report, ReportError};
use crate::GuardCommand;

/// A program as it is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, OsString>,
    pub(crate) folder: Option<PathBuf>,
}

/// Why no guard runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the guard's socket can't be made")]
    Socket(#[source] io::Error),
    #[error("the guard can't be started")]
    Guard(#[source] io::Error),
}

/// A guard that runs. Dropped, it kills whatever runs below it, and ends.
pub(crate) struct Guarded {
    guard: Child,
    reports: BufReader<OwnedReadHalf>,
    control: OwnedWriteHalf,
    group: Option<Pid>,
}

impl Guarded {
    /// Starts a guard for a program, which waits for [`Guarded::begin`]. Returns its outputs beside it.
    pub(crate) fn start(
        guard: &GuardCommand,
        program: &Program,
    ) -> Result<(Self, ChildStdout, ChildStderr), StartError> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(StartError::Socket)?;
        ours.set_nonblocking(true).map_err(StartError::Socket)?;
        let (reports, control) = UnixStream::from_std(ours).map_err(StartError::Socket)?.into_split();
        let mut command = Command::new(&guard.program);
        command.args(&guard.args).arg("--").arg(&program.path).args(&program.args);
        command.env_clear().envs(&program.env);
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(StartError::Guard)?;
        let no_pipe = || StartError::Guard(io::ErrorKind::BrokenPipe.into());
        let stdout = child.stdout.take().ok_or_else(no_pipe)?;
        let stderr = child.stderr.take().ok_or_else(no_pipe)?;
        Ok((Self { guard: child, reports: BufReader::new(reports), control, group: None }, stdout, stderr))
    }

    /// Lets the program begin, with this standard input. Returns how it ended.
    ///
    /// # Errors
    /// An I/O error where the guard died without a word: what it guarded is killed as far as it can be found.
    pub(crate) async fn begin(&mut self, input: &[u8]) -> io::Result<Report> {
        let length = u64::try_from(input.len()).unwrap_or(u64::MAX);
        self.control.write_all(&length.to_le_bytes()).await?;
        self.control.write_all(input).await?;
        loop {
            match self.report().await? {
                Report::Started(pid) => self.group = Pid::from_raw(pid),
                end => {
                    self.group = None;
                    return Ok(end);
                }
            }
        }
    }

    async fn report(&mut self) -> io::Result<Report> {
        let mut line = String::new();
        if self.reports.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.trim_end()
            .parse()
            .map_err(|error: ReportError| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Tells the guard to kill everything, and waits until nothing of the program lives any more.
    pub(crate) async fn kill(mut self) {
        let _ = self.control.shutdown().await;
        // It ends when the last of its descendants has.
        let _ = self.guard.wait().await;
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The guard sees its socket close and does the rest. Only where it died before us does its program's group
        // need us: a living guard's group can't be a stranger's.
        let guard_is_gone = matches!(self.guard.try_wait(), Ok(Some(_)));
        if let (true, Some(group)) = (guard_is_gone, self.group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
