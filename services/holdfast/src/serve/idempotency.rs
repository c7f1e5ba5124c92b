//! `serve idempotency`: the fast front of the key table. It keeps nothing of its own: any number of replicas.

use holdfast_rpc::server;
use serde_json::Map;

use super::{Site, joined};
use crate::compose;
use crate::error::Result;
use crate::network::Door;

/// Serves until a signal comes.
///
/// # Errors
/// [`crate::error::Error`] where the port is taken, or what it is to stand on does not do.
pub(crate) async fn run(site: Site) -> Result<()> {
    let keys = joined::key_table(&site).await?;
    let idempotency = compose::build_idempotency(keys);
    let (listener, bound) = site.bind(Door::Members, site.settings.serve.idempotency).await?;
    site.ready(bound, Map::new()).await?;
    let serving =
        site.serve(listener, site.server(Door::Members, server::Config::default()).add(idempotency.grpc()));
    let (served, ()) = tokio::join!(serving, idempotency.run(site.shutdown.draining()));
    site.close().await;
    served
}
