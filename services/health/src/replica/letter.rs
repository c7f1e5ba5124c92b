//! What a replica passes on to the one that decides.

use crate::breakers::{Command, Published, Said};

/// What a replica passes on to the one that decides. Both are of one version, or know what the other does not send: an
/// unknown kind is dropped by who can't read it, like a letter that is lost.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Letter {
    /// What an instance has reported.
    Report(Said),
    /// What an operator has ordered.
    Force { dependency: String, command: Command },
    /// What the replica decided while it was on its own.
    Peer(Published),
}
