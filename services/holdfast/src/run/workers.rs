//! Local workers: processes that live and die with the platform of this process.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_health::Health;
use holdfast_ports::Directory;
use holdfast_rpc::Token;
use holdfast_runtime::Ids;
use holdfast_types::WorkerId;
use holdfast_worker::GuardCommand;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::embedded::hosted::Hosted;
use crate::error::{Error, Result};
use crate::settings::Join;

/// How long local workers may take to register.
const REGISTER_WITHIN: Duration = Duration::from_secs(30);

/// The wait before a worker that died is started again; doubled up to [`LONGEST_WAIT`] while it does not register.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long a worker that is told to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What local workers need of the platform that they join.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) health: Health,
    pub(crate) hosted: Arc<Hosted>,
    /// Where they find the platform.
    pub(crate) join: Join,
    /// What they show there, and ask of whoever calls them.
    pub(crate) cluster_token: Option<Token>,
    pub(crate) ids: Ids,
    /// What they log.
    pub(crate) log: String,
    /// Where they may keep things of their own.
    pub(crate) data_dir: PathBuf,
}

/// Local workers, started and kept up until this is stopped. Where it is dropped, their guards end them.
pub(crate) struct LocalWorkers {
    supervisors: JoinSet<()>,
    stop: CancellationToken,
    given_up: mpsc::Receiver<String>,
    health: Health,
    wanted: usize,
}

impl LocalWorkers {
    /// Starts a worker for each command.
    pub(crate) fn start(site: &Site, commands: &[Vec<String>]) -> Self {
        let stop = CancellationToken::new();
        // One word of each supervisor: it ends after it.
        let (give_up, given_up) = mpsc::channel(commands.len().max(1));
        let mut supervisors = JoinSet::new();
        let before = site.health.view().workers.len();
        for command in commands {
            let one = One { site: site.clone(), command: command.clone(), stop: stop.clone() };
            let give_up = give_up.clone();
            supervisors.spawn(async move {
                if let Err(why) = one.keep_up().await {
                    // The receiver is gone only where nobody cares any more.
                    let _ = give_up.send(why).await;
                }
            });
        }
        Self { supervisors, stop, given_up, health: site.health.clone(), wanted: before + commands.len() }
    }

    /// Waits until all of them have registered.
    ///
    /// # Errors
    /// [`Error::LocalWorker`] where one ends before it registers, or is not there in time.
    pub(crate) async fn registered(&mut self) -> Result<()> {
        let (health, wanted) = (self.health.clone(), self.wanted);
        tokio::select! {
            () = registered(&health, wanted) => Ok(()),
            error = self.failure() => Err(error),
            () = tokio::time::sleep(REGISTER_WITHIN) => {
                let seconds = REGISTER_WITHIN.as_secs();
                Err(Error::LocalWorker(format!("a local worker did not register within {seconds} s")))
            }
        }
    }

    /// Waits until a worker can't be kept up. Cancel-safe.
    pub(crate) async fn failure(&mut self) -> Error {
        match self.given_up.recv().await {
            Some(why) => Error::LocalWorker(why),
            None => std::future::pending().await,
        }
    }

    /// Stops all of them.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.supervisors.join_next().await.is_some() {}
    }
}

async fn registered(health: &Health, wanted: usize) {
    let mut view = health.view();
    while view.workers.len() < wanted {
        view = health.changed(view.version).await;
    }
}

/// One local worker over all its incarnations.
struct One {
    site: Site,
    command: Vec<String>,
    stop: CancellationToken,
}

impl One {
    /// Starts the worker again whenever it ends, until it is stopped. One that never came up is given up: its command
    /// is wrong; one that did has died of something that may pass.
    async fn keep_up(&self) -> Result<(), String> {
        let (mut wait, mut ever) = (FIRST_WAIT, false);
        loop {
            let id = self.site.ids.worker();
            self.site.hosted.add(id);
            let mut child = self.spawn(id)?;
            let how = tokio::select! {
                how = child.ended() => how,
                () = self.stop.cancelled() => {
                    child.end().await;
                    return Ok(());
                }
            };
            let was_registered = self.site.health.view().worker(id).is_some();
            self.site.health.leave(id);
            self.site.hosted.remove(id);
            let shown = self.command.join(" ");
            if was_registered {
                (wait, ever) = (FIRST_WAIT, true);
            } else if !ever {
                return Err(format!("the local worker '{shown}' ended before it registered ({how})"));
            }
            tracing::warn!(command = shown, how, "local worker ended, starting it again");
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
                () = self.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Starts the program under a guard, which kills it and all that it started when this process is gone.
    fn spawn(&self, id: WorkerId) -> Result<Guarded, String> {
        let Some((program, args)) = self.command.split_first() else {
            return Err("a local worker has no command".to_owned());
        };
        let failed =
            |error: std::io::Error| format!("the local worker '{program}' can't be started: {error}");
        let guard = GuardCommand::default();
        let (mut life, theirs) = UnixStream::pair().map_err(failed)?;
        // Data of our own stdout must stay alone: what a worker writes goes to stderr.
        let stdout = std::io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
        let token = self.site.cluster_token.as_ref().map_or("", Token::expose);
        let child = Command::new(&guard.program)
            .args(&guard.args)
            .arg("--")
            .arg(this_binary_for(program, &guard))
            .args(args)
            .env("HOLDFAST_JOIN__HEALTH", self.site.join.health.to_string())
            .env("HOLDFAST_JOIN__CHECKPOINT", self.site.join.checkpoint.to_string())
            .env("HOLDFAST_JOIN__IDEMPOTENCY", self.site.join.idempotency.to_string())
            .env("HOLDFAST_JOIN__WORKER_ID", id.to_string())
            .env("HOLDFAST_AUTH__CLUSTER_TOKEN", token)
            // They meet the platform over the loopback, in plain.
            .envs(["CERT", "KEY", "CA", "CLIENT_CA"].map(|file| (format!("HOLDFAST_TLS__{file}"), "")))
            .env("HOLDFAST_WORKER__LISTEN", "127.0.0.1:0")
            .env("HOLDFAST_TELEMETRY__LOG", &self.site.log)
            .env("HOLDFAST_DATA_DIR", &self.site.data_dir)
            .stdin(OwnedFd::from(theirs))
            .stdout(stdout)
            .spawn()
            .map_err(failed)?;
        // The guard begins when it has the program's input: none.
        life.write_all(&0_u64.to_le_bytes()).map_err(failed)?;
        Ok(Guarded { child, life })
    }
}

/// A guard, and the socket by which it knows that we live.
struct Guarded {
    child: Child,
    life: UnixStream,
}

impl Guarded {
    /// Waits until nothing of the program lives any more; returns how it ended.
    async fn ended(&mut self) -> String {
        let waited = self.child.wait().await;
        let mut reports = String::new();
        // The guard is gone, so this ends at once.
        let _ = self.life.read_to_string(&mut reports);
        let last = reports.lines().last().filter(|line| !line.starts_with("started"));
        match (last, waited) {
            (Some(report), _) => report.replace('-', " "),
            (None, Ok(status)) => format!("its guard: {status}"),
            (None, Err(error)) => error.to_string(),
        }
    }

    /// Lets the guard kill everything, and waits for it.
    async fn end(mut self) {
        let _ = self.life.shutdown(std::net::Shutdown::Write);
        if tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!("a guard did not end in time");
        }
    }
}

/// `holdfast` as the first word is this binary, whatever the search path says.
fn this_binary_for<'a>(program: &'a str, guard: &'a GuardCommand) -> &'a Path {
    if program == "holdfast" { &guard.program } else { Path::new(program) }
}
