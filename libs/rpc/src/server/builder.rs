//! A server, from its services to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::config::Config;
use super::connections;
use super::dispatch::Dispatch;
use super::error::Error;
use super::gate::Gate;
use super::readiness::Readiness;
use super::route::{GrpcService, Routes};
use super::standard;
use crate::tls::ServerTls;

/// Listens at `HOST:PORT`; port 0 takes any free one. Returns the address that was bound.
///
/// # Errors
/// [`Error::Bind`].
pub async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Bind { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// A gRPC server. Besides the services that are added it answers reflection and `grpc.health.v1`.
pub struct Server {
    config: Config,
    routes: Routes,
    names: Vec<&'static str>,
    gate: Option<Arc<dyn Gate>>,
    tls: Option<ServerTls>,
    readiness: Option<watch::Receiver<Readiness>>,
}

impl Server {
    /// Makes a server without services.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, routes: Routes::default(), names: Vec::new(), gate: None, tls: None, readiness: None }
    }

    /// Adds a service.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // adds to the server, not numbers
    pub fn add<S: GrpcService>(mut self, service: S) -> Self {
        self.names.push(S::NAME);
        self.routes.add(service);
        self
    }

    /// Serves TLS, and nothing else.
    #[must_use]
    pub fn secured(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Puts a gate before all services, the standard ones included.
    #[must_use]
    pub fn behind(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Tells by `grpc.health.v1` whether it wants calls; without this it does until its end.
    #[must_use]
    pub fn ready_while(mut self, readiness: watch::Receiver<Readiness>) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Serves until `shutdown`, then drains: takes nothing new, and lets the calls under way end within the
    /// configured time. If the future is dropped, all connections are closed at once.
    ///
    /// # Errors
    /// [`Error::Reflection`], before anything is served.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { config, mut routes, names, gate, tls, readiness } = self;
        let reporter = standard::add(&mut routes, &names).await?;
        let dispatch = Arc::new(Dispatch { routes, gate, config });
        let ending = async {
            tokio::select! {
                () = shutdown => {}
                () = standard::follow(&reporter, &names, readiness) => {}
            }
            standard::end(reporter, &names).await;
        };
        connections::run(listener, tls, dispatch, ending).await;
        Ok(())
    }
}
