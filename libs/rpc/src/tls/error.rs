//! Why there is no TLS.

use std::path::PathBuf;

use rustls::{CertificateError, InvalidMessage};

/// Why certificates or keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// What a file holds can't be used.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key is not that of its certificate.
    #[error("the key in {} is not that of the certificate in {}", key.display(), cert.display())]
    Strangers {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A server can't be expected to have such a name.
    #[error("'{name}' is no name that a certificate can have")]
    Name {
        /// The name.
        name: String,
    },
    /// Certificates and keys are sound, and yet no TLS can be made of them.
    #[error("they can't be used together")]
    Setup(#[from] rustls::Error),
    /// The authorities can't vouch for clients.
    #[error("they can't vouch for clients")]
    Vouching(#[from] rustls::server::VerifierBuilderError),
}

/// Why one connection could not be secured, in words for whoever runs the two sides.
pub(crate) struct Refused(pub(crate) String);

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        Self(match cause {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                "its certificate comes from an authority that is not trusted here".to_owned()
            }
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "it answers in plain".to_owned()
            }
            None if error.kind() == std::io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
            // A certificate for another name says which names are its own.
            _ => error.to_string(),
        })
    }
}
