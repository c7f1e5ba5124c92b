//! The certificates that are shown and trusted.

use std::path::{Path, PathBuf};

use holdfast_rpc::tls::{Authorities, ClientTls, Identity, ServerTls, TlsError};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, told};

/// The certificates that are shown and trusted: files of PEM, read at the start. Without one, nothing is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate that servers show, with what leads to its authority; clients show it where they are asked.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// The authorities whose servers are trusted; none: those that this machine trusts.
    pub(crate) ca: PathBuf,
    /// The authorities whose clients are let in; none: clients show no certificate.
    pub(crate) client_ca: PathBuf,
    /// The name that every server's certificate must have; none: that of the address at which it is dialled.
    pub(crate) server_name: String,
}

impl Tls {
    /// Says whether members speak TLS with each other.
    pub(crate) fn is_given(&self) -> bool {
        [&self.cert, &self.key, &self.ca, &self.client_ca].into_iter().any(|file| is_named(file))
    }

    /// What servers show; none where nothing is configured.
    ///
    /// # Errors
    /// [`Error::Usage`], naming the setting and the file.
    pub(crate) fn server(&self) -> Result<Option<ServerTls>> {
        let clients = match is_named(&self.client_ca) {
            true => Some(Authorities::read(&self.client_ca).map_err(wrong("tls.client_ca"))?),
            false => None,
        };
        match (self.identity()?, clients) {
            (Some(identity), clients) => {
                ServerTls::new(&identity, clients.as_ref()).map(Some).map_err(wrong("[tls]"))
            }
            (None, Some(_)) => Err(missing("tls.client_ca", "tls.cert")),
            (None, None) => Ok(None),
        }
    }

    /// Whom clients trust, and what they show.
    ///
    /// # Errors
    /// [`Error::Usage`], naming the setting and the file.
    pub(crate) fn client(&self) -> Result<ClientTls> {
        let trusted = match is_named(&self.ca) {
            true => Authorities::read(&self.ca).map_err(wrong("tls.ca"))?,
            false => Authorities::of_this_machine(),
        };
        let client = ClientTls::new(&trusted, self.identity()?.as_ref()).map_err(wrong("[tls]"))?;
        match self.server_name.as_str() {
            "" => Ok(client),
            name => client.named(name).map_err(wrong("tls.server_name")),
        }
    }

    fn identity(&self) -> Result<Option<Identity>> {
        match (is_named(&self.cert), is_named(&self.key)) {
            (false, false) => Ok(None),
            (true, false) => Err(missing("tls.cert", "tls.key")),
            (false, true) => Err(missing("tls.key", "tls.cert")),
            (true, true) => {
                let read = Identity::read(&self.cert, &self.key);
                read.map(Some).map_err(|error| match blamed(&error, &self.key) {
                    true => wrong("tls.key")(error),
                    false => wrong("tls.cert")(error),
                })
            }
        }
    }
}

fn is_named(file: &Path) -> bool {
    !file.as_os_str().is_empty()
}

/// Says whether it is this file that is wrong.
fn blamed(error: &TlsError, file: &Path) -> bool {
    match error {
        TlsError::Read { path, .. } | TlsError::Empty { path, .. } | TlsError::Unusable { path, .. } => {
            path == file
        }
        TlsError::Strangers { .. } => true,
        TlsError::Name { .. } | TlsError::Setup(_) | TlsError::Vouching(_) => false,
    }
}

fn wrong(setting: &'static str) -> impl Fn(TlsError) -> Error {
    move |error| Error::Usage(format!("{setting}: {}", told(&error)))
}

fn missing(given: &str, lacking: &str) -> Error {
    Error::Usage(format!("{given} is given, and {lacking} is not: they are used together"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refusal(tls: &Tls) -> String {
        tls.server().unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(path("cert"), pair.cert.pem()).unwrap();
        std::fs::write(path("key"), pair.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("strange"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        std::fs::write(path("text"), "hunter2").unwrap();
        let sound = Tls { cert: path("cert"), key: path("key"), ca: path("cert"), ..Tls::default() };
        assert!(sound.server().unwrap().is_some() && sound.client().is_ok());
        assert!(Tls::default().server().unwrap().is_none());
        for (tls, setting, told) in [
            (Tls { cert: path("none"), ..sound.clone() }, "tls.cert", "none: No such file"),
            (Tls { key: path("none"), ..sound.clone() }, "tls.key", "none: No such file"),
            (Tls { cert: path("key"), ..sound.clone() }, "tls.cert", "key holds no certificate"),
            (Tls { key: path("text"), ..sound.clone() }, "tls.key", "text holds no private key"),
            (Tls { key: path("strange"), ..sound.clone() }, "tls.key", "not that of the certificate"),
            (Tls { key: PathBuf::new(), ..sound.clone() }, "tls.cert", "tls.key is not"),
            (Tls { cert: PathBuf::new(), ..sound.clone() }, "tls.key", "tls.cert is not"),
            (Tls { client_ca: path("text"), ..sound.clone() }, "tls.client_ca", "text holds no certificate"),
        ] {
            let refused = refusal(&tls);
            assert!(refused.starts_with(setting) && refused.contains(told), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        let untrusting = Tls { ca: path("text"), ..sound.clone() }.client().unwrap_err().to_string();
        assert!(
            untrusting.starts_with("tls.ca: ") && untrusting.contains("holds no certificate"),
            "{untrusting}"
        );
        let misnamed = Tls { server_name: "a b".into(), ..sound }.client().unwrap_err().to_string();
        assert!(misnamed.contains("tls.server_name: 'a b'"), "{misnamed}");
    }
}
