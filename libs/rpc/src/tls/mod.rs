//! TLS: what a server shows, and whom a client trusts. By rustls with ring; nothing of it is chosen by hand.

mod client;
mod error;
mod pem;
mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub(crate) use error::Refused;
pub use error::TlsError;
pub use pem::{Authorities, Identity};
pub use server::ServerTls;

/// The only protocol that is spoken here, as TLS names it.
const HTTP2: &[u8] = b"h2";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
