//! The client's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{Refused, TlsError};
use super::pem::{Authorities, Identity};
use super::{HTTP2, provider};

/// Whom a client trusts, and what it shows. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls {
    connector: TlsConnector,
    /// The name that a server's certificate must have; none: that of the address that was dialled.
    name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Trusts servers of some authorities, and shows an identity to those that ask for one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(trusted: &Authorities, shown: Option<&Identity>) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted.0.clone());
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown.0.clone())))
            }
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name: None })
    }

    /// Wants every server to have this name, at whatever address it is dialled.
    ///
    /// # Errors
    /// [`TlsError::Name`].
    pub fn named(self, name: &str) -> Result<Self, TlsError> {
        let refuse = |_| TlsError::Name { name: name.to_owned() };
        Ok(Self { name: Some(ServerName::try_from(name.to_owned()).map_err(refuse)?), ..self })
    }

    /// Secures a connection to `HOST:PORT`.
    pub(crate) async fn secure(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Refused> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => host(address).ok_or_else(|| Refused("its address has no name".to_owned()))?,
        };
        self.connector.connect(name, stream).await.map_err(Refused::from)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name or the address without its port, as certificates have it.
fn host(address: &str) -> Option<ServerName<'static>> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_the_name_that_is_expected() {
        for (address, name) in [
            ("checkpoint:7423", "checkpoint"),
            ("worker_1:7421", "worker_1"),
            ("10.0.0.7:7421", "10.0.0.7"),
            ("[::1]:7420", "::1"),
        ] {
            assert_eq!(host(address).unwrap().to_str(), name);
        }
        assert!(host("a b:1").is_none() && host("nothing").is_none());
    }
}
