//! What can end an orchestrator.

/// Why an orchestrator could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store does not let it work at all: another version, a broken folder.
    #[error("opening a session at the journal's store failed")]
    Session(#[source] holdfast_ports::Error),
}
