//! What blobs are named by, and how long one is safe that nobody refers to.

use std::time::Duration;

use holdfast_ports::{Error, Result};
use sha2::{Digest, Sha256};

/// A blob that nobody refers to yet is safe for so long after its last `put`: its append is under way (PROTOCOL 20).
pub(crate) const UNTOUCHED: Duration = Duration::from_secs(24 * 3600);

/// Content above this is digested on a thread for blocking work: it would hold others up for milliseconds.
const SMALL: usize = 256 * 1024;

/// Digests content: returns it with its SHA-256.
pub(crate) async fn digest(content: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>)> {
    let small = content.len() <= SMALL;
    let work = move || {
        let sha256 = Sha256::digest(&content).to_vec();
        (content, sha256)
    };
    if small {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Unavailable {
        what: "blobs",
        why: error.to_string(),
        retry_after: None,
    })
}
