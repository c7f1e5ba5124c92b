//! `serve checkpoint`: the journal's store behind gRPC, over PostgreSQL (any number of replicas) or one SQLite file.

use holdfast_rpc::server;
use serde_json::Map;

use super::Site;
use crate::compose;
use crate::error::Result;
use crate::network::Door;
use crate::{retention, stored};

/// Serves until a signal comes.
///
/// # Errors
/// [`crate::error::Error`] where the store can't be opened, or the port is taken.
pub(crate) async fn run(site: Site) -> Result<()> {
    let stored = stored::open(&site.settings, &site.process).await?;
    let checkpoint = compose::build_checkpoint(&site.process, stored.ports());
    let (listener, bound) = site.bind(Door::Members, site.settings.serve.checkpoint).await?;
    site.ready(bound, Map::new()).await?;
    let serving =
        site.serve(listener, site.server(Door::Members, server::Config::default()).add(checkpoint.grpc()));
    let (tasks, clock) = (site.settings.retention.tasks, site.process.clock.clone());
    let keeping = retention::keep(stored.ports(), clock, tasks, site.shutdown.clone());
    let (served, (), ()) = tokio::join!(serving, checkpoint.run(site.shutdown.draining()), keeping);
    stored.close().await;
    site.close().await;
    served
}
