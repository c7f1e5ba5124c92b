//! A worker from its listener to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use holdfast_proto::v1::worker_service_server::WorkerServiceServer;
use holdfast_rpc::Server;
use holdfast_runtime::{Shutdown, SystemEntropy};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::grpc::Face;
use crate::registration::{self, Registrar};
use crate::{Error, Worker};

/// How long the running calls may take to end when the worker is told to stop (DESIGN section 13).
const DRAIN: Duration = Duration::from_secs(20);

/// The largest message: a call's arguments or result (DESIGN section 13), and room for what goes with them.
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024 + 64 * 1024;

impl Worker {
    /// Returns the gRPC service of a worker that is reachable at `address`.
    #[must_use]
    pub fn grpc(&self, address: String) -> WorkerServiceServer<Face> {
        let face = Face::new(self.clone(), address, self.started_at());
        WorkerServiceServer::new(face)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }

    /// Returns the `HOST:PORT` at which a worker that listens at `bound` is reached.
    ///
    /// Configured, else the bound address where that is one address, else the machine's name with its port.
    #[must_use]
    pub fn address(&self, bound: SocketAddr) -> String {
        let advertised = &self.config().advertise;
        if !advertised.is_empty() {
            return advertised.clone();
        }
        if !bound.ip().is_unspecified() {
            return bound.to_string();
        }
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{name}:{}", bound.port())
    }

    /// Serves at `listener`, by `server` with its gate and its certificates, and stays registered at each of
    /// `registrars`, the directory's replicas, until `shutdown` drains, then lets the running calls end within 20 s, stops
    /// those that have not, and returns.
    ///
    /// If the future is dropped the connections are closed, and running calls go on until nobody is attached to them.
    ///
    /// # Errors
    /// [`Error`] where the listener has no address, or the server can't be made.
    pub async fn run(
        self,
        server: Server,
        listener: TcpListener,
        registrars: Vec<Arc<dyn Registrar>>,
        shutdown: Shutdown,
    ) -> Result<(), Error> {
        let bound = listener.local_addr().map_err(Error::Listener)?;
        let address = self.address(bound);
        let info = self.info(address.clone());
        let drained = CancellationToken::new();
        let serving = server.add(self.grpc(address)).serve(listener, drained.clone().cancelled_owned());
        let living = async {
            join_all(registrars.iter().map(|registrar| async {
                tokio::select! {
                    () = registration::keep(&**registrar, &info, &SystemEntropy) => {}
                    () = shutdown.draining() => registration::say_goodbye(&**registrar, &info).await,
                }
            }))
            .await;
            shutdown.draining().await;
            self.stop(&shutdown).await;
            drained.cancel();
        };
        let (served, ()) = tokio::join!(serving, living);
        served.map_err(Error::Serve)
    }

    /// Takes no new calls, lets the running ones end for a while, and stops the rest.
    pub async fn stop(&self, shutdown: &Shutdown) {
        let executor = self.executor();
        executor.drain();
        tokio::select! {
            () = executor.drained() => return,
            () = tokio::time::sleep(DRAIN) => {}
            () = shutdown.aborting() => {}
        }
        executor.abort();
        // Each call ends within the grace that a stopped tool has.
        let grace = self.config().stop_grace + Duration::from_secs(1);
        if tokio::time::timeout(grace, executor.drained()).await.is_err() {
            tracing::warn!("calls did not end in time");
        }
    }
}
