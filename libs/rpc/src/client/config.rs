//! The settings of a client's connections.

use std::time::Duration;

use crate::Token;
use crate::tls::ClientTls;

/// The settings of a client's connections.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest that dialling and the handshake may take together.
    pub connect_timeout: Duration,
    /// How often a connection is asked for a sign of life, also while it is idle: a dead worker is noticed before
    /// a call meets it.
    pub keepalive_interval: Duration,
    /// How long the sign may take before the connection counts as lost.
    pub keepalive_timeout: Duration,
    /// The flow-control window of one stream, in bytes.
    pub stream_window: u32,
    /// The flow-control window of the connection, in bytes.
    pub connection_window: u32,
    /// What every call carries; none: nothing.
    pub token: Option<Token>,
    /// How connections are secured; none: not at all.
    pub tls: Option<ClientTls>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
            // A message of 4 MiB takes few round trips, and a hundred streams at once don't starve each other.
            stream_window: 1024 * 1024,
            connection_window: 16 * 1024 * 1024,
            token: None,
            tls: None,
        }
    }
}
