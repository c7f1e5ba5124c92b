//! Metrics as text for Prometheus, over a small HTTP server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkError;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Scrapers at once: one or two are usual; more wait in the kernel's queue.
const CONNECTIONS: usize = 16;

/// How long a scraper may take to say what it wants.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Reads the metrics of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scrape(Registry);

impl Scrape {
    pub(crate) fn new() -> Result<(Self, PrometheusExporter), OTelSdkError> {
        let registry = Registry::new();
        // The scope's name would be one more label on every series, always `holdfast`.
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        Ok((Self(registry), exporter))
    }

    /// Returns the metrics in Prometheus's text format.
    ///
    /// # Errors
    /// The encoder's: a family without series, which the SDK does not make.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Returns the value of one series, which is named as the text format does, with its labels in the order of their
    /// names: `holdfast_retries_total{class="TRANSIENT",tool="look"}`. None where there is no such series.
    #[must_use]
    pub fn value(&self, series: &str) -> Option<f64> {
        let text = self.text().ok()?;
        let values = text.lines().filter_map(|line| line.rsplit_once(' '));
        values.filter(|(name, _)| *name == series).find_map(|(_, value)| value.parse().ok())
    }
}

/// Serves `GET /metrics` until `shutdown` is ready; connections then end at once.
///
/// If it is dropped, its connections end too.
///
/// # Errors
/// The listener's, where it can accept no more.
pub async fn serve(
    listener: TcpListener,
    scrape: Scrape,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let permit = tokio::select! {
            () = &mut shutdown => return Ok(()),
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let scrape = scrape.clone();
                connections.spawn(async move {
                    answer(stream, scrape).await;
                    drop(permit);
                });
            }
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "can't accept a scraper now");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The peer's fault, or a lack of descriptors that others may give back.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

async fn answer(stream: TcpStream, scrape: Scrape) {
    let service = hyper::service::service_fn(|request| {
        let response = respond(&request, &scrape);
        async { Ok::<_, Infallible>(response) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a scraper's connection broke");
    }
}

fn respond(request: &Request<Incoming>, scrape: &Scrape) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => match scrape.text() {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => {
                tracing::warn!(%error, "can't write the metrics");
                (StatusCode::INTERNAL_SERVER_ERROR, String::new())
            }
        },
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "see /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}
