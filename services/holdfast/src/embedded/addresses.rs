//! Where the services of a platform listen.

use std::net::SocketAddr;

use serde::Serialize;
use serde_json::Value;

use crate::network::Scheme;
use crate::settings::Join;

/// Where the services of a platform listen: what `--print-addresses` writes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Addresses {
    /// How the public API is dialled.
    #[serde(skip)]
    pub(crate) scheme: Scheme,
    /// The public API.
    pub(crate) orchestrator: SocketAddr,
    /// The built-in worker.
    pub(crate) worker: SocketAddr,
    /// The key store.
    pub(crate) idempotency: SocketAddr,
    /// The journal.
    pub(crate) checkpoint: SocketAddr,
    /// Where workers register.
    pub(crate) health: SocketAddr,
    /// Where Prometheus reads; none: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<SocketAddr>,
}

impl Addresses {
    /// Writes them as one JSON object.
    pub(crate) fn to_json(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Says how a worker beside the platform finds it.
    pub(crate) fn join(&self) -> Join {
        Join {
            checkpoint: self.checkpoint.into(),
            idempotency: self.idempotency.into(),
            health: self.health.into(),
            ..Join::nowhere()
        }
    }

    /// Returns the public API's address as a URL.
    pub(crate) fn server(&self) -> String {
        format!("{}{}", self.scheme.prefix(), self.orchestrator)
    }
}
