//! The certificates of a platform that speaks TLS, as `deploy/compose.tls.yml` asks for them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// What callers on this machine dial.
pub(crate) const NAME: &str = "127.0.0.1";

/// By what the roles know each other.
const MEMBERS: &str = "holdfast";

/// Writes an authority's certificate, and one of its making with its key, readable by all: the containers' user is not
/// this one. Inside the platform the gateway is dialled by its service's name.
pub(crate) fn make(folder: &Path) -> Result<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = [NAME, MEMBERS, "gateway"].map(str::to_owned);
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    std::fs::create_dir(folder).context("make the folder of certificates")?;
    let files =
        [("ca.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {name}"))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o444))?;
    }
    // A temporary folder is its maker's alone.
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(())
}
