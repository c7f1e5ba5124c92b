//! A private Redis: a real server on a free port of the loopback, in a folder of its own, gone with its test.

mod wire;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{ChildError, ChildGuard, Folder, Sign};

/// How long a server may take to be ready, on a machine that is busy.
const READY: Duration = Duration::from_secs(30);

/// How many ports are tried: between the choice of a free one and its use another process may take it.
const TRIES: usize = 10;

/// What a server writes to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it is empty after each start.
    Nothing,
    /// Every write, synced once a second (`appendfsync everysec`).
    EverySecond,
    /// Every write, synced before it is answered (`appendfsync always`).
    Everything,
}

/// Why a server is not there, or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The program is not on the path.
    #[error("redis-server is not installed: apt-get install -y --no-install-recommends redis-server")]
    Missing,
    /// Its folder or port could not be had, or it did not answer.
    #[error("the private Redis can't be used")]
    Io(#[from] io::Error),
    /// Its process could not be started, signalled or waited for.
    #[error("the private Redis has no process")]
    Process(#[from] ChildError),
    /// It answered with an error.
    #[error("the private Redis refuses: {0}")]
    Refused(String),
}

/// A Redis of a test's own. It is ended when this is dropped, and also when the test's process is killed.
///
/// Its verbs block for some milliseconds, so an async test may call them where they stand.
#[derive(Debug)]
pub struct Redis {
    folder: Folder,
    port: u16,
    kept: Kept,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    // Ended before the server is waited for: the id that it would kill may be another's afterwards.
    watch: Watch,
    server: ChildGuard,
}

impl Redis {
    /// Starts an empty server that keeps nothing.
    ///
    /// # Errors
    /// [`RedisError::Missing`] where Redis is not installed.
    pub fn start() -> Result<Self, RedisError> {
        Self::keeping(Kept::Nothing)
    }

    /// Starts an empty server that keeps what is said.
    ///
    /// # Errors
    /// [`RedisError::Missing`] where Redis is not installed.
    pub fn keeping(kept: Kept) -> Result<Self, RedisError> {
        let mut redis = Self { folder: Folder::new()?, port: 0, kept, running: None };
        let mut tries = 0;
        loop {
            redis.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            tries += 1;
            match redis.run() {
                Err(RedisError::Process(ChildError::Silent { .. })) if tries < TRIES => {}
                other => return other.map(|()| redis),
            }
        }
    }

    /// Its address as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Kills it with SIGKILL; nothing where it does not run.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> Result<(), RedisError> {
        if let Some(mut running) = self.running.take() {
            drop(running.watch);
            running.server.kill()?;
        }
        Ok(())
    }

    /// Kills it, and starts it at the same port with what it has kept.
    ///
    /// # Errors
    /// Those of the start.
    pub fn restart(&mut self) -> Result<(), RedisError> {
        self.kill()?;
        self.run()
    }

    /// Kills it, and starts it at the same port with nothing.
    ///
    /// # Errors
    /// Those of the start.
    pub fn restart_empty(&mut self) -> Result<(), RedisError> {
        self.kill()?;
        self.folder = Folder::new()?;
        self.run()
    }

    /// Removes all that it holds.
    ///
    /// # Errors
    /// It does not answer.
    pub fn flush(&self) -> Result<(), RedisError> {
        self.ask(&["FLUSHALL"]).map(drop)
    }

    /// Lets it stand still, as in a long pause of its machine.
    ///
    /// # Errors
    /// The system's.
    pub fn pause(&mut self) -> Result<(), RedisError> {
        self.send(Sign::Stop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The system's.
    pub fn resume(&mut self) -> Result<(), RedisError> {
        self.send(Sign::Continue)
    }

    /// Sends one command over a connection of its own, and returns the answer as text; a list as lines.
    ///
    /// # Errors
    /// [`RedisError::Refused`] with Redis's words; [`RedisError::Io`] where it does not answer.
    pub fn ask(&self, command: &[&str]) -> Result<String, RedisError> {
        wire::ask(self.port, command)
    }

    /// How often a command was called since the start (`INFO commandstats`).
    ///
    /// # Errors
    /// Those of [`Self::ask`].
    pub fn calls_of(&self, command: &str) -> Result<u64, RedisError> {
        let stats = self.ask(&["INFO", "commandstats"])?;
        let wanted = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|line| line.strip_prefix(&wanted)?.split(',').next());
        Ok(calls.and_then(|calls| calls.parse().ok()).unwrap_or(0))
    }

    fn send(&mut self, sign: Sign) -> Result<(), RedisError> {
        match &mut self.running {
            Some(running) => Ok(running.server.send(sign)?),
            None => Ok(()),
        }
    }

    fn run(&mut self) -> Result<(), RedisError> {
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path());
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        match self.kept {
            Kept::Nothing => command.args(["--appendonly", "no"]),
            Kept::EverySecond => command.args(["--appendonly", "yes", "--appendfsync", "everysec"]),
            Kept::Everything => command.args(["--appendonly", "yes", "--appendfsync", "always"]),
        };
        let server = ChildGuard::start(command).map_err(|error| match error {
            ChildError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                RedisError::Missing
            }
            other => other.into(),
        })?;
        let watch = Watch::over(server.pid())?;
        server.line("word that it is ready", READY, |line| {
            line.contains("Ready to accept connections").then_some(())
        })?;
        self.running = Some(Running { watch, server });
        Ok(())
    }
}

/// A shell that kills a process when this one is gone, however it went: then the pipe between them is closed.
#[derive(Debug)]
struct Watch(Child);

impl Watch {
    fn over(pid: u32) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("sh");
        command.args(["-c", "read _; kill -9 $0", &pid.to_string()]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_runtime::{Clock, SystemClock};

    use super::*;
    use crate::running_with;

    #[test]
    fn it_loses_what_it_does_not_keep() {
        let mut redis = Redis::start().unwrap();
        redis.ask(&["SET", "a", "1"]).unwrap();
        assert_eq!(redis.ask(&["GET", "a"]).unwrap(), "1");
        redis.restart().unwrap();
        assert_eq!(redis.ask(&["DBSIZE"]).unwrap(), "0");
        redis.kill().unwrap();
        assert!(matches!(redis.ask(&["PING"]), Err(RedisError::Io(_))));
    }

    #[test]
    fn it_keeps_what_it_is_told_to_unless_it_is_flushed() {
        let mut redis = Redis::keeping(Kept::Everything).unwrap();
        redis.ask(&["SET", "a", "1"]).unwrap();
        redis.restart().unwrap();
        assert_eq!(redis.ask(&["GET", "a"]).unwrap(), "1");
        redis.restart_empty().unwrap();
        assert_eq!(redis.ask(&["GET", "a"]).unwrap(), "");
        redis.ask(&["SET", "a", "1"]).unwrap();
        redis.flush().unwrap();
        assert_eq!(redis.ask(&["DBSIZE"]).unwrap(), "0");
        assert!(matches!(redis.ask(&["NO-SUCH"]), Err(RedisError::Refused(_))));
    }

    /// The test's process stands in for one that is killed: a shell that holds the same pipe.
    #[test]
    fn it_ends_with_a_process_that_is_killed() {
        let mark = format!("601.{}", std::process::id());
        let mut sleeper = Command::new("sleep").arg(&mark).spawn().unwrap();
        let mut watch = Watch::over(sleeper.id()).unwrap();
        drop(watch.0.stdin.take());
        assert!(!sleeper.wait().unwrap().success());
        let deadline = SystemClock.boot().after(Duration::from_secs(30));
        while !running_with(&mark).unwrap().is_empty() {
            assert!(!deadline.since(SystemClock.boot()).is_zero(), "it still runs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_drop_ends_it_also_when_it_stands_still() {
        let mut redis = Redis::start().unwrap();
        let pid = redis.running.as_ref().unwrap().server.pid();
        redis.pause().unwrap();
        drop(redis);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
