//! The other services, as a role in a process of its own reaches them.

use std::sync::Arc;

use holdfast_ports::{BreakerShare, Keys};
use holdfast_rpc::clients::{RemoteDirectory, RemoteKeys, RemoteStore, Replicas};
use holdfast_store::{FrontedKeys, RedisBreakers, RedisError, RedisKeys};
use holdfast_types::InstanceId;

use super::Site;
use crate::compose::Stores;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::settings::{AddressList, Join};

/// The replicas of a service; none where no address is given.
pub(super) fn replicas(addresses: &AddressList, network: &Network) -> Option<Replicas> {
    let addresses = addresses.as_slice();
    (!addresses.is_empty()).then(|| Replicas::new(addresses, network.members()))
}

/// The journal's store behind the checkpoint service; none where no address is given.
pub(crate) fn stores(join: &Join, network: &Network) -> Option<Stores> {
    replicas(&join.checkpoint, network).map(|service| Stores::of(RemoteStore::new(service)))
}

/// The key table as the idempotency service answers for it; none where no address is given.
pub(super) fn front(join: &Join, network: &Network) -> Option<Arc<dyn Keys>> {
    replicas(&join.idempotency, network).map(|service| Arc::new(RemoteKeys::new(service)) as _)
}

/// The registry of workers and their breakers; none where no address is given.
pub(super) fn directory(
    join: &Join,
    network: &Network,
    instance: InstanceId,
) -> Option<Arc<RemoteDirectory>> {
    let service = replicas(&join.health, network)?;
    Some(Arc::new(RemoteDirectory::start(service, instance, network.members().clone())))
}

/// The table behind an idempotency service: the journal's with Redis before it, or one of the two alone.
///
/// # Errors
/// [`Error`] where neither is given, or Redis can't be used as the configuration wants it.
pub(super) async fn key_table(site: &Site) -> Result<Arc<dyn Keys>> {
    let redis = &site.settings.redis;
    let refused = |error: RedisError| Error::platform("Redis can't be used")(error.into());
    match stores(&site.settings.join, &site.network) {
        Some(stores) if redis.url.is_empty() => Ok(stores.keys),
        Some(stores) => {
            let fronted = FrontedKeys::new(stores.keys, redis, None).map_err(refused)?;
            Ok(Arc::new(fronted.measured(site.process.metrics.clone())))
        }
        None if redis.url.is_empty() => Err(nowhere("the journal, whose key table decides", "--checkpoint")),
        None => Ok(Arc::new(RedisKeys::open(redis, None).await.map_err(refused)?)),
    }
}

/// Where replicas of the health service meet; none where there is no Redis, and each decides for itself. It is not waited
/// for: without it they do so too.
///
/// # Errors
/// [`Error`] where a setting is wrong.
pub(super) fn breaker_share(site: &Site) -> Result<Option<Arc<dyn BreakerShare>>> {
    let redis = &site.settings.redis;
    if redis.url.is_empty() {
        return Ok(None);
    }
    let share =
        RedisBreakers::new(redis).map_err(|error| Error::platform("Redis can't be used")(error.into()))?;
    Ok(Some(Arc::new(share)))
}

/// Asks for an address.
pub(super) fn nowhere(what: &str, flag: &str) -> Error {
    Error::Usage(format!("where is {what}? Add {flag} HOST:PORT"))
}
