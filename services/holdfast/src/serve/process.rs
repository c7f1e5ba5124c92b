//! What every role's process has: telemetry, signals, a socket, and one line that says where it listens.

use std::net::SocketAddr;

use holdfast_rpc::Server;
use holdfast_rpc::server::{self, bind};
use holdfast_runtime::Shutdown;
use holdfast_telemetry::{Telemetry, prometheus};
use serde_json::{Map, Value};
use tokio::net::TcpListener;

use crate::compose::Process;
use crate::error::{Error, Result};
use crate::network::{Door, Network};
use crate::output::Output;
use crate::settings::Settings;

/// Whether the process writes where it listens, as one line of JSON on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announce {
    /// It does.
    Json,
    /// It only says in words that it is ready.
    Note,
}

/// A role's process.
pub(crate) struct Site {
    /// The role, as its subcommand names it.
    pub(crate) role: &'static str,
    pub(crate) settings: Settings,
    pub(crate) process: Process,
    pub(crate) network: Network,
    pub(crate) telemetry: Telemetry,
    /// The first signal drains it, the second aborts it.
    pub(crate) shutdown: Shutdown,
    output: Output,
    announce: Announce,
}

impl Site {
    /// Starts telemetry and hears signals from now on.
    ///
    /// # Errors
    /// [`Error::Platform`] where telemetry can't start, [`Error::Usage`] where certificates can't be used.
    pub(crate) fn open(
        role: &'static str,
        settings: Settings,
        output: Output,
        announce: Announce,
    ) -> Result<Self> {
        let telemetry = holdfast_telemetry::init(&settings.telemetry)
            .map_err(|error| Error::platform("telemetry can't start")(error.into()))?;
        let network = Network::of(&settings)?;
        let shutdown = Shutdown::new();
        tokio::spawn(holdfast_runtime::shutdown::obey_signals(shutdown.clone()));
        let process = Process::system();
        Ok(Self { role, settings, process, network, telemetry, shutdown, output, announce })
    }

    /// Binds the role's socket.
    ///
    /// # Errors
    /// [`Error::Platform`] where the port is taken, [`Error::Usage`] where strangers would reach it.
    pub(crate) async fn bind(&self, door: Door, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
        self.network.admits(door, self.role, address)?;
        let refuse = |error: server::Error| {
            Error::platform(format!("the {} can't listen at {address}", self.role))(error.into())
        };
        bind(&address.to_string()).await.map_err(refuse)
    }

    /// Makes the server of the role's port, without services.
    pub(crate) fn server(&self, door: Door, config: server::Config) -> Server {
        self.network.server(door, config)
    }

    /// Serves until the drain, at most for `drain` after it.
    ///
    /// # Errors
    /// [`Error::Platform`].
    pub(crate) async fn serve(&self, listener: TcpListener, server: Server) -> Result<()> {
        let draining = self.shutdown.clone();
        let served = server.serve(listener, async move { draining.draining().await }).await;
        served.map_err(|error| Error::platform(format!("the {}", self.role))(error.into()))
    }

    /// Says where the role listens, and serves its metrics where that is wanted.
    ///
    /// # Errors
    /// [`Error::Platform`] where the port for metrics is taken.
    pub(crate) async fn ready(&self, bound: SocketAddr, more: Map<String, Value>) -> Result<()> {
        let mut line = Map::from_iter([(self.role.to_owned(), Value::from(bound.to_string()))]);
        line.extend(more);
        if let Some(metrics) = self.metrics().await? {
            line.insert("metrics".to_owned(), Value::from(metrics.to_string()));
        }
        match self.announce {
            Announce::Json => self.output.line(&Value::Object(line)),
            Announce::Note => self.output.note(&format!("{} ready at {bound}; Ctrl-C ends it", self.role)),
        }
        Ok(())
    }

    async fn metrics(&self) -> Result<Option<SocketAddr>> {
        let (Some(scrape), Some(address)) = (self.telemetry.scrape(), self.settings.telemetry.prometheus)
        else {
            return Ok(None);
        };
        let refuse =
            |error: std::io::Error| Error::platform(format!("can't listen at {address}"))(error.into());
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let bound = listener.local_addr().map_err(refuse)?;
        let shutdown = self.shutdown.clone();
        tokio::spawn(prometheus::serve(listener, scrape, async move { shutdown.aborting().await }));
        Ok(Some(bound))
    }

    /// Ends the process's own concerns: what is still to be exported goes out.
    pub(crate) async fn close(self) {
        self.telemetry.shutdown().await;
    }
}
