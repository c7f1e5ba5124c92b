//! Blobs: content by SHA-256 (PROTOCOL 20).

use async_trait::async_trait;
use holdfast_types::BlobRef;

use crate::Result;

/// The blob table.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores content, or touches it where it is there already.
    ///
    /// # Errors
    /// `TooLarge` above 64 MiB.
    async fn put(&self, content: Vec<u8>, content_type: &str) -> Result<BlobRef>;

    /// Reads content.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` where the content's digest is another one.
    async fn get(&self, sha256: &str) -> Result<Vec<u8>>;

    /// Removes blobs without references that nobody touched for 24 hours; at most `limit`. Returns how many.
    async fn collect(&self, limit: u32) -> Result<u32>;
}
