//! Digests: SHA-256 in lower-case hexadecimal.

use holdfast_types::{Key, TaskId, ToolManifest, ToolName};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::canon;

/// Returns the digest over all canonical arguments: a key that comes back with another one is an error.
///
/// # Errors
/// [`canon::Error`] for arguments that have no canonical form.
pub fn fingerprint(args: &Value) -> Result<String, canon::Error> {
    Ok(sha256(canon::canonical(args)?.as_bytes()))
}

/// Returns the digest over what execution depends on, which pins a tool for a task (DESIGN section 2).
#[must_use]
pub fn manifest_hash(manifest: &ToolManifest) -> String {
    // Its schemas stand two levels deeper than when they were read, so they may pass the limit for arguments.
    sha256(canon::unbounded(&manifest.pinned_part()).as_bytes())
}

/// What an approval binds (PROTOCOL 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval<'a> {
    /// The task.
    pub task: TaskId,
    /// The call key.
    pub call_key: &'a Key,
    /// The key's generation: a repeat needs a new approval.
    pub generation: u32,
    /// The tool.
    pub tool: &'a ToolName,
    /// The [`manifest_hash`] of the pinned tool.
    pub manifest_hash: &'a str,
    /// The [`fingerprint`] over all arguments, never the key's digest.
    pub fingerprint: &'a str,
}

/// Returns the digest that an approval names: one for another digest is refused and shown.
#[must_use]
pub fn approval_digest(approval: &Approval<'_>) -> String {
    let mut hasher = Sha256::new();
    for part in [
        "holdfast approval v1",
        &approval.task.to_string(),
        approval.call_key.as_str(),
        &approval.generation.to_string(),
        approval.tool.as_str(),
        approval.manifest_hash,
        approval.fingerprint,
    ] {
        // Each part under its length, so that no two lists of parts are one text.
        hasher.update(part.len().to_string());
        hasher.update(":");
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
