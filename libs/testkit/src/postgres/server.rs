//! A private server, and the keeper that ends it with its test, however that ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::programs::{self, PostgresError, system};
use crate::Folder;

/// The keeper: a shell that runs the server while a lock is held.
const KEEPER: &str = include_str!("keeper.sh");

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Each commit is on the disk before it is answered: where a test is about what a crash leaves.
    EveryCommit,
    /// A killed server loses nothing, a machine without power may. For all other tests.
    Never,
}

/// A private PostgreSQL server, which a test may kill and start again on the same data.
///
/// It is stopped when this is dropped, and also when the process that holds it is killed.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: Folder,
    port: u16,
    flush: Flush,
    keeper: Child,
    lock: Option<File>,
}

impl Postgres {
    /// Makes an empty cluster and starts its server. Blocks for some seconds.
    ///
    /// # Errors
    /// [`PostgresError::Missing`] where PostgreSQL is not installed; the others where it does not start.
    pub fn start(flush: Flush) -> Result<Self, PostgresError> {
        let programs = programs::programs()?;
        let folder = Folder::new().map_err(system("make a folder"))?;
        programs::give_to_server(folder.path())?;
        programs::init(&programs, folder.path())?;
        let lock = lock_file(folder.path())?;
        flock(&lock, FlockOperation::LockShared).map_err(|error| system("lock")(error.into()))?;
        let port = programs::free_port()?;
        let keeper = keep(&programs, folder.path(), port, flush, 0)?;
        let server = Self { programs, folder, port, flush, keeper, lock: Some(lock) };
        programs::wait_until_ready(&server.programs, server.folder.path(), port)?;
        Ok(server)
    }

    /// Where it takes connections; stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port, "postgres")
    }

    /// Ends the server as a crash does: SIGKILL. Returns once it and all its processes have gone.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> Result<(), PostgresError> {
        self.end(Signal::KILL)
    }

    /// Ends the server at once, without a checkpoint: what it has answered is recovered at the next start.
    ///
    /// # Errors
    /// The system's.
    pub fn stop(&mut self) -> Result<(), PostgresError> {
        self.end(Signal::QUIT)
    }

    /// Freezes the server, as a long pause of its machine does: SIGSTOP to all its processes.
    ///
    /// # Errors
    /// The system's.
    pub fn freeze(&self) -> Result<(), PostgresError> {
        self.signal_all(Signal::STOP)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// The system's.
    pub fn thaw(&self) -> Result<(), PostgresError> {
        self.signal_all(Signal::CONT)
    }

    /// Starts the server again on its data and its port.
    ///
    /// # Errors
    /// The system's; [`PostgresError::NotReady`] where it does not come back.
    pub fn start_again(&mut self) -> Result<(), PostgresError> {
        // Its server has ended; a second keeper must not meet it.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        self.keeper = keep(&self.programs, self.folder.path(), self.port, self.flush, 0)?;
        programs::wait_until_ready(&self.programs, self.folder.path(), self.port)
    }

    fn pid(&self) -> Result<Option<Pid>, PostgresError> {
        let path = self.folder.join("server.pid");
        let pid = std::fs::read_to_string(path).map_err(system("find the server"))?;
        Ok(pid.trim().parse().ok().and_then(Pid::from_raw))
    }

    fn signal_all(&self, signal: Signal) -> Result<(), PostgresError> {
        let Some(pid) = self.pid()? else { return Ok(()) };
        for process in [pid].into_iter().chain(children(pid)) {
            // Fails where it has just ended.
            let _ = kill_process(process, signal);
        }
        Ok(())
    }

    fn end(&self, signal: Signal) -> Result<(), PostgresError> {
        let Some(pid) = self.pid()? else { return Ok(()) };
        let children = children(pid);
        // Fails where it has ended already.
        let _ = kill_process(pid, signal);
        // A killed server's children notice by themselves; a new one refuses to start beside them.
        for process in children.into_iter().chain([pid]) {
            while test_kill_process(process).is_ok() && !is_zombie(process) {
                programs::pause();
            }
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The keeper stops the server once nobody holds the lock; a frozen one would not hear it.
        let _ = self.thaw();
        // Says that the folder is the test's to remove, or to keep for a look at the log.
        let _ = self.folder.write("released", "");
        self.lock = None;
        let _ = self.keeper.wait();
    }
}

/// The processes that a server has started.
fn children(server: Pid) -> Vec<Pid> {
    let pid = server.as_raw_nonzero();
    let path = format!("/proc/{pid}/task/{pid}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}

fn is_zombie(process: Pid) -> bool {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

/// The file whose shared lock keeps a server running.
pub(super) fn lock_file(folder: &Path) -> Result<File, PostgresError> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .read(true)
        .open(folder.join("users.lock"))
        .map_err(system("open a lock file"))
}

/// Starts a server and its keeper, out of reach of whatever kills the test's processes.
pub(super) fn keep(
    programs: &Path,
    folder: &Path,
    port: u16,
    flush: Flush,
    grace: u32,
) -> Result<Child, PostgresError> {
    let fsync = if flush == Flush::EveryCommit { "on" } else { "off" };
    Command::new("setsid")
        .args(["sh", "-c", KEEPER, "keeper"])
        .arg(folder)
        .args([port.to_string(), grace.to_string()])
        .arg(programs)
        .arg(fsync)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(system("start a server"))
}
