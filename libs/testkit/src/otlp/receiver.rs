//! The server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::trace::{ReceivedSpan, Trace, service};

/// Why there is no receiver.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// Its runtime does not start, or the address is taken.
    #[error("the receiver can't listen at {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A receiver that runs until it is dropped, on a thread of its own: tests need no runtime. Metrics that are sent to it
/// are taken and forgotten.
#[derive(Debug)]
pub struct OtlpReceiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedSpan>>>,
    /// Dropped: it ends.
    _stop: oneshot::Sender<()>,
}

impl OtlpReceiver {
    /// Starts one on a free port of the loopback.
    ///
    /// # Errors
    /// [`OtlpError`].
    pub fn start() -> Result<Self, OtlpError> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts one at an address, for senders that are not on this machine's loopback.
    ///
    /// # Errors
    /// [`OtlpError`].
    pub fn listen(address: SocketAddr) -> Result<Self, OtlpError> {
        let failed = |source| OtlpError::Listen { address, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let listener = {
            // Entered, not blocked on: the caller may run on a runtime of its own.
            let _within = runtime.enter();
            TcpListener::from_std(listener).map_err(failed)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let received = Arc::new(Mutex::new(Vec::new()));
        let collector = Collector(Arc::clone(&received));
        std::thread::spawn(move || {
            let serving = Server::builder()
                .add_service(TraceServiceServer::new(collector).max_decoding_message_size(MESSAGE))
                .add_service(MetricsServiceServer::new(Sink).max_decoding_message_size(MESSAGE))
                .serve_with_incoming(TcpListenerStream::new(listener));
            runtime.block_on(async move {
                tokio::select! {
                    _ = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address: bound, received, _stop: stop })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to say.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans that came so far, in their order, as they came.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedSpan> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came so far of a trace, by its id as 32 lowercase hexadecimal digits.
    #[must_use]
    pub fn trace(&self, id: &str) -> Trace {
        Trace::of(self.received().into_iter().filter(|span| span.trace_id == id))
    }
}

/// A batch of spans can be large.
const MESSAGE: usize = 64 * 1024 * 1024;

struct Collector(Arc<Mutex<Vec<ReceivedSpan>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = Vec::new();
        for resource in request.into_inner().resource_spans {
            let from = service(&resource.resource.unwrap_or_default().attributes);
            let of_all = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(of_all.map(|span| ReceivedSpan::read(&from, span)));
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(&mut spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

struct Sink;

#[tonic::async_trait]
impl MetricsService for Sink {
    async fn export(
        &self,
        _: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
