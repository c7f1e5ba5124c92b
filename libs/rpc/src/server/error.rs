//! Why a server does not run.

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened at.
    #[error("can't listen at {address}")]
    Bind {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The API's descriptors can't be read.
    #[error("can't read the API's descriptors for reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}
