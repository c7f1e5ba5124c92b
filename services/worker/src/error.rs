//! What can go wrong with a worker itself; a call's failure is a [`holdfast_types::Failure`].

use holdfast_types::ToolName;

/// Why a worker can't be made or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two tools have one name.
    #[error("two tools are named {tool}; tools of one worker need different names")]
    Clash {
        /// The name.
        tool: ToolName,
    },
    /// A tool's input schema can't be used.
    #[error("the input schema of {tool} can't be used: {why}")]
    Schema {
        /// The tool.
        tool: ToolName,
        /// What is wrong with it.
        why: String,
    },
    /// A tool's manifest is not a valid one.
    #[error(transparent)]
    Manifest(#[from] holdfast_tool::ManifestError),
    /// The configuration breaks a rule.
    #[error("worker.{field}: {why}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The listener has no address.
    #[error("the listener has no address")]
    Listener(#[source] std::io::Error),
    /// The gRPC server can't be made.
    #[error("the worker can't be served")]
    Serve(#[source] holdfast_rpc::server::Error),
    /// The HTTP client can't be made.
    #[error("the HTTP client can't be made")]
    HttpClient(#[source] reqwest::Error),
}
