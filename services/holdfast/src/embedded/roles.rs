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
use crate::settings::{Listen, any_port};

/// The roles that have a public API.
pub(super) struct Roles<'a> {
    pub(super) orchestrator: &'a Orchestrator,
    pub(super) checkpoint: Checkpoint,
    pub(super) idempotency: Idempotency,
    pub(super) health: &'a Health,
    pub(super) worker: &'a Worker,
}

impl Roles<'_> {
    /// Binds every port, and serves each role at its own until `serving` drains.
    pub(super) async fn serve(
        self,
        listen: &Listen,
        serving: &Shutdown,
        servers: &mut JoinSet<Result<()>>,
    ) -> Result<Addresses> {
        let (orchestrator, addresses_of_orchestrator) = bound(listen.orchestrator).await?;
        let (idempotency, address_of_idempotency) = bound(listen.idempotency).await?;
        let (checkpoint, address_of_checkpoint) = bound(listen.checkpoint).await?;
        let (health, address_of_health) = bound(listen.health).await?;
        let (worker, address_of_worker) = bound(any_port()).await?;
        let config = server::Config { drain: SERVERS_DRAIN, ..server::Config::default() };
        let new = || Server::new(config.clone());
        let mut serve = |listener, server: Server| {
            let serving = serving.clone();
            servers.spawn(async move {
                let served = server.serve(listener, async move { serving.draining().await }).await;
                served.map_err(|error| Error::platform("a server")(error.into()))
            });
        };
        // The directory beside the public API: whoever talks to the one asks the other which tools there are.
        serve(orchestrator, new().add(self.orchestrator.grpc()).add(self.health.grpc()));
        serve(idempotency, new().add(self.idempotency.grpc()));
        serve(checkpoint, new().add(self.checkpoint.grpc()));
        serve(health, new().add(self.health.grpc()));
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
        servers.spawn(async move {
            let ended = hosted.run(worker, Vec::new(), running).await;
            ended.map_err(|error| Error::platform("the built-in worker")(error.into()))
        });
        Ok(Addresses {
            orchestrator: addresses_of_orchestrator,
            worker: address_of_worker,
            idempotency: address_of_idempotency,
            checkpoint: address_of_checkpoint,
            health: address_of_health,
            metrics: None,
        })
    }
}

async fn bound(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let refuse = |error: server::Error| Error::platform(format!("can't listen at {address}"))(error.into());
    bind(&address.to_string()).await.map_err(refuse)
}
