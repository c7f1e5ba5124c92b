//! The platform under measurement: two orchestrators, a checkpoint, an idempotency and a health service, and a worker.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use holdfast_testkit::{Flush, Folder, Kept, Members, Postgres, Redis, Role, Setting};
use trip_worker::Ledger;

use crate::client::Client;
use crate::platform::SLOTS;

/// A running platform with its servers, killed when it is dropped.
pub(crate) struct Platform {
    // Before its servers: members go first.
    members: Members,
    clients: [Client; 2],
    ledger: Ledger,
    postgres: Postgres,
    _redis: Redis,
    _folder: Folder,
}

impl Platform {
    /// Starts all of it, and waits until both orchestrators take work.
    pub(crate) async fn start(binary: &Path) -> Result<Self> {
        let folder = Folder::new()?;
        let (postgres, redis) = (Postgres::start(Flush::EveryCommit)?, Redis::keeping(Kept::EverySecond)?);
        let ledger = folder.join("ledger.db");
        let mut worker = ["example", "trip-worker", "--ledger"].map(OsString::from).to_vec();
        worker.push(ledger.clone().into());
        let mut members = Members::new(Setting {
            // It runs in another folder.
            binary: std::path::absolute(binary)?,
            folder: folder.path().to_owned(),
            log: folder.join("log"),
            environment: vec![
                ("HOLDFAST_STORE__URL", postgres.url()),
                ("HOLDFAST_REDIS__URL", redis.url()),
                ("HOLDFAST_WORKER__SLOTS", SLOTS.to_owned()),
                ("HOLDFAST_TELEMETRY__LOG", "warn".to_owned()),
            ],
            worker,
        });
        use Role::{Checkpoint, Health, Idempotency, Orchestrator, Worker};
        for role in [Checkpoint, Health, Idempotency, Worker, Orchestrator, Orchestrator] {
            members.add(role)?;
        }
        let clients = [client(&members, 0).await?, client(&members, 1).await?];
        let ledger = Ledger::open(&ledger).await?;
        Ok(Self { members, clients, ledger, postgres, _redis: redis, _folder: folder })
    }

    /// Where its PostgreSQL is.
    pub(crate) fn postgres_url(&self) -> String {
        self.postgres.url()
    }

    /// A client of each of its orchestrators.
    pub(crate) const fn clients(&self) -> &[Client; 2] {
        &self.clients
    }

    /// Kills one of the orchestrators with SIGKILL.
    pub(crate) fn kill_orchestrator(&mut self, which: usize) -> Result<()> {
        Ok(self.members.kill(Role::Orchestrator, which)?)
    }

    /// Starts it again where it was, and waits until it takes work.
    pub(crate) async fn start_orchestrator(&mut self, which: usize) -> Result<()> {
        self.members.start_again(Role::Orchestrator, which)?;
        self.clients[which] = client(&self.members, which).await?;
        Ok(())
    }

    /// How many effects of a task the worker's ledger holds.
    pub(crate) async fn effects(&self, task: &str) -> Result<usize> {
        let rows = self.ledger.rows().await?;
        Ok(rows.iter().filter(|row| row.call.task.to_string() == task).count())
    }
}

async fn client(members: &Members, which: usize) -> Result<Client> {
    let client = Client::connect(members.address(Role::Orchestrator, which)?).await?;
    client.wait_for_tools(&crate::plans::chain(1, 10)).await?;
    Ok(client)
}
