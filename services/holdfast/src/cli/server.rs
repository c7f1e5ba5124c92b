//! Which server a client command talks to.

use holdfast_runtime::config::Flag;

use super::{Context, flag};
use crate::client::Client;
use crate::error::Result;
use crate::network::Network;

/// Which server a client command talks to.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    /// The orchestrator [default: http://127.0.0.1:7420, or the configuration's `server`]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl Server {
    pub(super) fn flags(&self) -> Vec<Flag> {
        self.server.iter().map(|server| flag("--server", "server", server)).collect()
    }

    /// Returns whether the flag was given.
    pub(super) const fn is_given(&self) -> bool {
        self.server.is_some()
    }

    pub(super) fn connect(context: &Context) -> Result<Client> {
        let settings = &context.config.value;
        Client::new(&settings.server, &Network::of(settings)?)
    }
}
