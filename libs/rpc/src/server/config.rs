//! The settings of a server.

use std::time::Duration;

/// The settings of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest that an answer may be waited for where the caller sends no `grpc-timeout`; streams that have
    /// begun are not bound by it.
    pub default_deadline: Duration,
    /// How long calls that are under way at shutdown may take to end.
    pub drain: Duration,
    /// How often a connection is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// How long the sign may take before the connection counts as lost.
    pub keepalive_timeout: Duration,
    /// How many calls one connection may carry at once: an orchestrator keeps one to each worker.
    pub max_streams: u32,
    /// The flow-control window of one stream, in bytes.
    pub stream_window: u32,
    /// The flow-control window of a connection, in bytes.
    pub connection_window: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // Longer than the longest bounded wait of the API, which is 60 s.
            default_deadline: Duration::from_secs(120),
            drain: Duration::from_secs(20),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(10),
            max_streams: 10_000,
            stream_window: 1024 * 1024,
            connection_window: 16 * 1024 * 1024,
        }
    }
}
