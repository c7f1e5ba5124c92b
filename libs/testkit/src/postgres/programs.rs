//! PostgreSQL's programs: where they are, and how they are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};

/// How long a server may take to start: a loaded machine needs seconds.
const START: Duration = Duration::from_secs(120);

/// Why there is no PostgreSQL for a test.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// It is not installed.
    #[error("PostgreSQL is not installed: install postgresql, or run `cargo xtask test`, which does")]
    Missing,
    /// The system refused something.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// One of its programs failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The server did not take connections in time.
    #[error("the server takes no connections; its log ends with: {log}")]
    NotReady {
        /// The end of its log.
        log: String,
    },
}

/// Adds to an error of the system what was tried.
pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> PostgresError {
    move |source| PostgresError::System { what, source }
}

/// Finds the folder of `initdb` and `postgres`: Debian's newest, or one of the search path.
pub(super) fn programs() -> Result<PathBuf, PostgresError> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    let of_path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = found.into_iter().rev().map(|(_, path)| path).chain(std::env::split_paths(&of_path));
    candidates
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .ok_or(PostgresError::Missing)
}

/// The server refuses to run as root: then it runs as the user that its package brings.
fn as_its_user(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

/// Makes a folder that the server may write.
pub(super) fn give_to_server(folder: &Path) -> Result<(), PostgresError> {
    if rustix::process::geteuid().is_root() {
        run("chown", Command::new("chown").arg("postgres:").arg(folder))?;
    }
    Ok(())
}

/// Makes an empty cluster at `folder/data`. Its superuser is `postgres`, trusted on this machine.
pub(super) fn init(programs: &Path, folder: &Path) -> Result<(), PostgresError> {
    let mut command = as_its_user(&programs.join("initdb"));
    command.current_dir(folder).arg("-D").arg(folder.join("data"));
    command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    run("initdb", &mut command)
}

/// Runs a program to its end.
pub(super) fn run(program: &'static str, command: &mut Command) -> Result<(), PostgresError> {
    let output = command.stdin(Stdio::null()).output().map_err(system(program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(PostgresError::Failed { program, output: String::from_utf8_lossy(&said).trim().to_owned() })
}

/// Runs statements, each in a transaction of its own.
pub(super) fn psql(programs: &Path, port: u16, statements: &[String]) -> Result<(), PostgresError> {
    let mut command = Command::new(programs.join("psql"));
    command.args(["-X", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres", "-p"]);
    command.arg(port.to_string()).args(["-v", "ON_ERROR_STOP=1"]);
    for statement in statements {
        command.arg("-c").arg(statement);
    }
    run("psql", &mut command)
}

/// Says whether a server takes connections.
pub(super) fn is_ready(programs: &Path, port: u16) -> bool {
    let mut command = Command::new(programs.join("pg_isready"));
    command.args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p"]).arg(port.to_string());
    run("pg_isready", &mut command).is_ok()
}

/// Waits until a server takes connections.
pub(super) fn wait_until_ready(programs: &Path, folder: &Path, port: u16) -> Result<(), PostgresError> {
    let deadline = SystemClock.boot().after(START);
    while !is_ready(programs, port) {
        if deadline.since(SystemClock.boot()).is_zero() {
            return Err(PostgresError::NotReady { log: log(folder) });
        }
        pause();
    }
    Ok(())
}

fn log(folder: &Path) -> String {
    let log = std::fs::read(folder.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned()
}

/// The pause between two looks at another process.
#[allow(clippy::disallowed_methods)] // a process has no condvar
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16, PostgresError> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(system("find a free port"))?;
    Ok(listener.local_addr().map_err(system("find a free port"))?.port())
}
