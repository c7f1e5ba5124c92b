//! Certificates and keys, from files of PEM.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::TlsError;
use super::provider;

/// A certificate with what leads to its authority, and its key.
#[derive(Clone)]
pub struct Identity(pub(super) Arc<CertifiedKey>);

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`] where a file can't be read or holds something else, or the two do not belong together.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(cert)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unread(error, key, "private key"))?;
        let key = CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Strangers { cert: cert.to_owned(), key: key.to_owned() }
            }
            error => TlsError::Unusable { path: key.to_owned(), why: error.to_string() },
        })?;
        Ok(Self(Arc::new(key)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(***)")
    }
}

/// The authorities whose certificates are trusted.
#[derive(Debug, Clone)]
pub struct Authorities(pub(super) Arc<RootCertStore>);

impl Authorities {
    /// Reads a file of their certificates.
    ///
    /// # Errors
    /// [`TlsError`] where it can't be read, or holds no certificate.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(path)? {
            let unusable =
                |error: rustls::Error| TlsError::Unusable { path: path.to_owned(), why: error.to_string() };
            store.add(certificate).map_err(unusable)?;
        }
        Ok(Self(Arc::new(store)))
    }

    /// Those that this machine trusts. Blocks while it reads their files.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let mut store = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::debug!(%error, "an authority of this machine can't be read");
        }
        store.add_parsable_certificates(found.certs);
        Self(Arc::new(store))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(none) if none.is_empty() => Err(TlsError::Empty { path: path.to_owned(), what: "certificate" }),
        Ok(some) => Ok(some),
        Err(error) => Err(unread(error, path, "certificate")),
    }
}

/// What a file's reader says may hold a line of it, which may be of a key: only its kind is told.
fn unread(error: Error, path: &Path, what: &'static str) -> TlsError {
    let path: PathBuf = path.to_owned();
    match error {
        Error::Io(source) => TlsError::Read { path, source },
        Error::NoItemsFound => TlsError::Empty { path, what },
        _ => TlsError::Unusable { path, why: "it is not written as PEM".to_owned() },
    }
}
