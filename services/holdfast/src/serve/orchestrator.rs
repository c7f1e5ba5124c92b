//! `serve orchestrator`: the public API, and the drivers of tasks. It keeps nothing: any number of replicas.

use std::sync::Arc;

use holdfast_orchestrator::{KeyFront, NoHost};
use holdfast_proto::v1::health_service_server::HealthServiceServer;
use holdfast_proto::v1::idempotency_service_server::IdempotencyServiceServer;
use holdfast_rpc::server::{self, Forward};
use serde_json::Map;

use super::{Site, joined};
use crate::compose::{self, Surroundings};
use crate::error::{Error, Result};
use crate::network::Door;

/// Serves and drives tasks until a signal comes, then gives its tasks back.
///
/// # Errors
/// [`Error`] where the port is taken, or the journal's store does not let it work.
pub(crate) async fn run(site: Site) -> Result<()> {
    let join = &site.settings.join;
    let stores =
        joined::stores(join, &site.network).ok_or_else(|| joined::nowhere("the journal", "--checkpoint"))?;
    let directory = joined::directory(join, &site.network, site.process.ids.instance())
        .ok_or_else(|| joined::nowhere("the registry of workers", "--health"))?;
    let front = joined::front(join, &site.network).map_or(KeyFront::None, KeyFront::Service);
    let breakers = directory.clone();
    let around = Surroundings { stores, front, directory, breakers, host: Arc::new(NoHost) };
    let config = site.settings.of_orchestrator();
    let orchestrator = compose::build_orchestrator(&site.process, config, around, &site.telemetry);
    let (listener, bound) = site.bind(Door::Callers, site.settings.serve.orchestrator).await?;
    site.ready(bound, Map::new()).await?;
    let config = server::Config { drain: site.settings.orchestrator.drain, ..server::Config::default() };
    let mut server = site.server(Door::Callers, config).add(orchestrator.grpc());
    // A gateway sends callers to a replica that reaches the journal, if there is one.
    server = server.ready_while(orchestrator.readiness());
    // Whoever talks to the public API asks it too which tools there are, and for keys of their own.
    if let Some(health) = joined::replicas(&join.health, &site.network) {
        server = server.add(Forward::<HealthServiceServer<()>>::new(health));
    }
    if let Some(idempotency) = joined::replicas(&join.idempotency, &site.network) {
        server = server.add(Forward::<IdempotencyServiceServer<()>>::new(idempotency));
    }
    let serving = site.serve(listener, server);
    let driving = async {
        let driven = orchestrator.run(site.shutdown.clone()).await;
        // An orchestrator that can't drive must not look alive.
        site.shutdown.drain();
        driven.map_err(|error| Error::platform("the orchestrator")(error.into()))
    };
    let (served, driven) = tokio::join!(serving, driving);
    site.close().await;
    driven.and(served)
}
