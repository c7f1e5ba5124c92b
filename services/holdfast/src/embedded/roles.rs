//! The sockets of the roles.

use std::net::SocketAddr;

use holdfast_checkpoint::Checkpoint;
use holdfast_health::Health;
use holdfast_idempotency::Idempotency;
use holdfast_orchestrator::Orchestrator;
use holdfast_rpc::Server;
use holdfast_rpc::server::{self, bind};
use holdfast_runtime::Shutdown;
use holdfast_worker::Worker;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::SERVERS_DRAIN;
use super::addresses::Addresses;
use crate::error::{Error, Result};
use crate::network::{Door, Network};
use crate::settings::{Listen, any_port};

/// The roles that have a public API.
pub(super) struct Roles<'a> {
    pub(super) orchestrator: &'a Orchestrator,
    pub(super) checkpoint: Checkpoint,
    pub(super) idempotency: Idempotency,
    pub(super) health: &'a Health,
    pub(super) worker: &'a Worker,
    pub(super) network: &'a Network,
}

impl Roles<'_> {
    /// Binds every port, and serves each role at its own until `serving` drains.
    pub(super) async fn serve(
        self,
        listen: &Listen,
        serving: &Shutdown,
        servers: &mut JoinSet<Result<()>>,
    ) -> Result<Addresses> {
        use Door::{Callers, Members};
        let (orchestrator, address_of_orchestrator) =
            self.bound(Callers, "orchestrator", listen.orchestrator).await?;
        let (idempotency, address_of_idempotency) =
            self.bound(Members, "idempotency", listen.idempotency).await?;
        let (checkpoint, address_of_checkpoint) =
            self.bound(Members, "checkpoint", listen.checkpoint).await?;
        let (health, address_of_health) = self.bound(Members, "health", listen.health).await?;
        let (worker, address_of_worker) = self.bound(Members, "worker", any_port()).await?;
        let config = server::Config { drain: SERVERS_DRAIN, ..server::Config::default() };
        let new = |door| self.network.server(door, config.clone());
        let mut serve = |listener, server: Server| {
            let serving = serving.clone();
            servers.spawn(async move {
                let served = server.serve(listener, async move { serving.draining().await }).await;
                served.map_err(|error| Error::platform("a server")(error.into()))
            });
        };
        // Beside the public API: whoever talks to it asks too which tools there are, and for keys of their own.
        let published = new(Callers).add(self.orchestrator.grpc());
        serve(orchestrator, published.add(self.health.grpc()).add(self.idempotency.grpc()));
        serve(idempotency, new(Members).add(self.idempotency.grpc()));
        serve(checkpoint, new(Members).add(self.checkpoint.grpc()));
        serve(health, new(Members).add(self.health.grpc()));
        // Each role ends its own streams with it, which would hold the servers' drain.
        let (health, checkpoint, idempotency) = (self.health.clone(), self.checkpoint, self.idempotency);
        let ended = serving.clone();
        servers.spawn(async move {
            tokio::join!(
                health.run(ended.draining()),
                checkpoint.run(ended.draining()),
                idempotency.run(ended.draining()),
            );
            Ok(())
        });
        let (running, hosted) = (serving.clone(), self.worker.clone());
        let server = self.network.server(Members, server::Config::default());
        servers.spawn(async move {
            let ended = hosted.run(server, worker, Vec::new(), running).await;
            ended.map_err(|error| Error::platform("the built-in worker")(error.into()))
        });
        Ok(Addresses {
            scheme: self.network.scheme(Callers),
            orchestrator: address_of_orchestrator,
            worker: address_of_worker,
            idempotency: address_of_idempotency,
            checkpoint: address_of_checkpoint,
            health: address_of_health,
            metrics: None,
        })
    }

    async fn bound(&self, door: Door, role: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
        self.network.admits(door, role, address)?;
        let refuse =
            |error: server::Error| Error::platform(format!("can't listen at {address}"))(error.into());
        bind(&address.to_string()).await.map_err(refuse)
    }
}
