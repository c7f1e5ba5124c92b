//! The other services, as a role in a process of its own reaches them.

use std::sync::Arc;

use holdfast_ports::{Directory, Keys};
use holdfast_rpc::client;
use holdfast_rpc::clients::{RemoteDirectory, RemoteKeys, RemoteStore, Replicas};
use holdfast_store::{FrontedKeys, RedisError, RedisKeys};
use holdfast_types::InstanceId;

use super::Site;
use crate::compose::Stores;
use crate::error::{Error, Result};
use crate::settings::{AddressList, Join};

fn replicas(addresses: &AddressList) -> Option<Replicas> {
    let addresses = addresses.as_slice();
    (!addresses.is_empty()).then(|| Replicas::new(addresses, &client::Config::default()))
}

/// The journal's store behind the checkpoint service; none where no address is given.
pub(crate) fn stores(join: &Join) -> Option<Stores> {
    replicas(&join.checkpoint).map(|service| Stores::of(RemoteStore::new(service)))
}

/// The key table as the idempotency service answers for it; none where no address is given.
pub(super) fn front(join: &Join) -> Option<Arc<dyn Keys>> {
    replicas(&join.idempotency).map(|service| Arc::new(RemoteKeys::new(service)) as _)
}

/// The registry of workers; none where no address is given.
pub(super) fn directory(join: &Join, instance: InstanceId) -> Option<Arc<dyn Directory>> {
    let service = replicas(&join.health)?;
    Some(Arc::new(RemoteDirectory::start(service, instance, client::Config::default())))
}

/// The table behind an idempotency service: the journal's with Redis before it, or one of the two alone.
///
/// # Errors
/// [`Error`] where neither is given, or Redis can't be used as the configuration wants it.
pub(super) async fn key_table(site: &Site) -> Result<Arc<dyn Keys>> {
    let redis = &site.settings.redis;
    let refused = |error: RedisError| Error::platform("Redis can't be used")(error.into());
    match stores(&site.settings.join) {
        Some(stores) if redis.url.is_empty() => Ok(stores.keys),
        Some(stores) => {
            let fronted = FrontedKeys::new(stores.keys, redis, None).map_err(refused)?;
            Ok(Arc::new(fronted.measured(site.process.metrics.clone())))
        }
        None if redis.url.is_empty() => Err(nowhere("the journal, whose key table decides", "--checkpoint")),
        None => Ok(Arc::new(RedisKeys::open(redis, None).await.map_err(refused)?)),
    }
}

/// Asks for an address.
pub(super) fn nowhere(what: &str, flag: &str) -> Error {
    Error::Usage(format!("where is {what}? Add {flag} HOST:PORT"))
}
