//! The settings of the service.

use std::time::Duration;

/// The settings of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How much memory all blobs that are being received may take together, in MiB; more wait for their turn. At
    /// least 64, the largest blob.
    pub blob_memory_mib: u32,
    /// The longest that `GetKey` waits.
    pub longest_wait: Duration,
    /// How long an instance whose stream its own side has ended may take to come back, to any replica, before its
    /// session ends.
    pub session_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            blob_memory_mib: 256,
            longest_wait: Duration::from_secs(60),
            session_grace: Duration::from_millis(200),
        }
    }
}
