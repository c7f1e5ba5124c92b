//! `serve worker`, and the workers of the examples: tools in a process of their own.

use std::sync::Arc;

use holdfast_rpc::server;
use holdfast_tool::Tool;
use holdfast_worker::registration::{Registrar, RemoteRegistrar};
use serde_json::{Map, Value};

use super::{Site, joined};
use crate::compose;
use crate::error::{Error, Result};
use crate::network::Door;

/// Hosts the built-in tools and `tools`, registered at every replica of the directory, until a signal comes.
///
/// # Errors
/// [`Error`] where a tool or the configuration is refused, or the port is taken.
pub(crate) async fn run(site: Site, tools: Vec<Arc<dyn Tool>>) -> Result<()> {
    let join = &site.settings.join;
    if join.health.as_slice().is_empty() {
        return Err(Error::Usage("where does the worker register? Add --join HOST:PORT".to_owned()));
    }
    let id = match join.worker_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| Error::Usage(format!("join.worker_id: {error}")))?),
    };
    let registrars: Vec<Arc<dyn Registrar>> =
        join.health.as_slice().iter().map(|address| registrar(address, &site)).collect();
    let mut stores = joined::stores(join, &site.network);
    if let (Some(stores), Some(front)) = (&mut stores, joined::front(join, &site.network)) {
        stores.keys = front;
    }
    let config = site.settings.worker.clone();
    let (listener, bound) = site.bind(Door::Members, config.listen).await?;
    let worker = compose::build_worker(&site.process, config, id, stores.as_ref(), tools)?;
    site.ready(bound, Map::from_iter([("worker_id".to_owned(), Value::from(worker.id().to_string()))]))
        .await?;
    let server = site.server(Door::Members, server::Config::default());
    let ended = worker.run(server, listener, registrars, site.shutdown.clone()).await;
    site.close().await;
    ended.map_err(|error| Error::platform("the worker")(error.into()))
}

fn registrar(address: &str, site: &Site) -> Arc<dyn Registrar> {
    Arc::new(RemoteRegistrar::new(site.network.channel(address)))
}
