//! The other services, as a role in a process of its own reaches them.

use std::sync::Arc;

use holdfast_ports::{Directory, Keys};

use super::Site;
use crate::compose::Stores;
use crate::error::{Error, Result};
use crate::settings::Join;

pub(super) fn stores(_join: &Join) -> Option<Stores> {
    None
}

pub(super) fn directory(_join: &Join) -> Option<Arc<dyn Directory>> {
    None
}

pub(super) async fn key_table(site: &Site) -> Result<Arc<dyn Keys>> {
    let _ = site;
    Err(nowhere("the journal", "--checkpoint"))
}

pub(super) fn nowhere(what: &str, flag: &str) -> Error {
    Error::Usage(format!("where is {what}? Add {flag} HOST:PORT"))
}
