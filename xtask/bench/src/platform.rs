//! The platform under measurement: `holdfast dev` and a worker, as processes of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_testkit::{ChildGuard, Folder, Sign};

use crate::client::Client;

/// How many calls the worker takes at once: more than the widest measurement asks for.
pub(crate) const SLOTS: &str = "128";

const START: Duration = Duration::from_secs(20);

/// A running platform, killed when it is dropped.
pub(crate) struct Platform {
    binary: PathBuf,
    folder: Folder,
    /// Where workers register: the same after a restart.
    health: String,
    dev: ChildGuard,
    worker: ChildGuard,
    /// A client of its orchestrator.
    pub(crate) client: Client,
}

impl Platform {
    /// Starts the platform on an empty data folder, and waits until it takes work.
    pub(crate) async fn start(binary: &Path) -> Result<Self> {
        let folder = Folder::new()?;
        let health = free_address()?;
        let (dev, orchestrator) = start_dev(binary, folder.path(), &health, None)?;
        let worker = start_worker(binary, folder.path(), &health)?;
        let client = Client::connect(&orchestrator).await?;
        client.wait_for_tools(&crate::plans::chain(1, 10)).await?;
        Ok(Self { binary: binary.to_owned(), folder, health, dev, worker, client })
    }

    /// Starts the platform with a worker that calls HTTP services of this machine, so many at once as `limit` says, and
    /// waits until it takes a plan.
    pub(crate) async fn calling(binary: &Path, limit: Option<u32>, plan: &str) -> Result<Self> {
        let folder = Folder::new()?;
        let health = free_address()?;
        let (dev, orchestrator) = start_dev(binary, folder.path(), &health, limit)?;
        let worker = start_http_worker(binary, &health)?;
        let client = Client::connect(&orchestrator).await?;
        client.wait_for_tools(plan).await?;
        Ok(Self { binary: binary.to_owned(), folder, health, dev, worker, client })
    }

    /// The processes: the platform's and the worker's.
    pub(crate) fn pids(&self) -> [u32; 2] {
        [self.dev.pid(), self.worker.pid()]
    }

    /// Kills the platform's process and starts it again on the same folder. The worker lives on.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<()> {
        self.dev.kill()?;
        let (dev, orchestrator) = start_dev(&self.binary, self.folder.path(), &self.health, None)?;
        self.dev = dev;
        self.client = Client::connect(&orchestrator).await?;
        Ok(())
    }

    /// Stops the platform in order, and returns the bytes of its data folder: the write-ahead log is folded in.
    pub(crate) fn stop_and_weigh(mut self) -> Result<u64> {
        self.dev.send(Sign::Terminate)?;
        self.dev.wait(START)?;
        bytes_under(&self.folder.join("data"))
    }
}

/// An address that nobody listens on now.
fn free_address() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}

fn start_dev(binary: &Path, folder: &Path, health: &str, limit: Option<u32>) -> Result<(ChildGuard, String)> {
    let mut command = Command::new(binary);
    command.arg("dev").arg("--print-addresses").arg("--data-dir").arg(folder.join("data"));
    command.args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    command.env("HOLDFAST_LISTEN__HEALTH", health).env("HOLDFAST_TELEMETRY__LOG", "warn");
    // Its calls go to the worker beside it.
    command.env("HOLDFAST_WORKER__BUILTIN", "none");
    if let Some(limit) = limit {
        command.env("HOLDFAST_LIMITS__TOOLS__HTTP_REQUEST__CONCURRENCY", limit.to_string());
    }
    let dev = ChildGuard::start(command)?;
    let addresses = dev.addresses(START)?;
    let orchestrator =
        addresses["orchestrator"].as_str().context("no address of the orchestrator")?.to_owned();
    Ok((dev, orchestrator))
}

fn start_worker(binary: &Path, folder: &Path, health: &str) -> Result<ChildGuard> {
    let mut command = Command::new(binary);
    command.args(["example", "trip-worker", "--join", health, "--listen", "127.0.0.1:0"]);
    command.arg("--ledger").arg(folder.join("ledger.db"));
    command.env("HOLDFAST_WORKER__SLOTS", SLOTS).env("HOLDFAST_TELEMETRY__LOG", "warn");
    Ok(ChildGuard::start(command)?)
}

/// A worker with the built-in tools and room for any number of calls: what limits them is to be measured.
fn start_http_worker(binary: &Path, health: &str) -> Result<ChildGuard> {
    let mut command = Command::new(binary);
    command.args(["serve", "worker", "--allow", "host=127.0.0.1"]);
    command.env("HOLDFAST_JOIN__HEALTH", health).env("HOLDFAST_WORKER__LISTEN", "127.0.0.1:0");
    command.env("HOLDFAST_WORKER__SLOTS", "10000").env("HOLDFAST_TELEMETRY__LOG", "error");
    Ok(ChildGuard::start(command)?)
}

fn bytes_under(path: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { bytes_under(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}
