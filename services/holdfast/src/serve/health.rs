//! `serve health`: the registry of workers and the breakers. Replicas share the breakers over Redis, where one is given.

use holdfast_rpc::server;
use serde_json::Map;

use super::{Site, joined};
use crate::compose::{self, InProcess};
use crate::error::Result;
use crate::network::Door;

/// Serves until a signal comes.
///
/// # Errors
/// [`crate::error::Error`] where the port is taken, or a setting of Redis is wrong.
pub(crate) async fn run(site: Site) -> Result<()> {
    let share = joined::breaker_share(&site)?;
    let config = site.settings.of_health(site.settings.health.clone());
    let health = compose::build_health(&site.process, InProcess::default(), &site.network, config, share);
    let (listener, bound) = site.bind(Door::Members, site.settings.serve.health).await?;
    site.ready(bound, Map::new()).await?;
    let serving =
        site.serve(listener, site.server(Door::Members, server::Config::default()).add(health.grpc()));
    let (served, ()) = tokio::join!(serving, health.run(site.shutdown.draining()));
    site.close().await;
    served
}
