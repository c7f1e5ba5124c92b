//! What comes before an undo (PROTOCOL 8).

use holdfast_types::CallId;
use serde::{Deserialize, Serialize};

/// A call of which nobody knows whether it happened is to be undone: it is settled first. Its key is a tombstone from
/// here on, so that nobody else runs it or is answered from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettlingBegan {
    /// The forward call.
    pub call: CallId,
    /// How its outcome is found out.
    pub by: SettledBy,
}

/// How the outcome of a call is found out before its undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SettledBy {
    /// The same call is sent again under its key: that is harmless, and gives the definite result.
    SameCall,
    /// A person is asked: the tool does not remember the key any more.
    Person,
}
