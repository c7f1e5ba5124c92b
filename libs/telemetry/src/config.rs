//! The section `[telemetry]`.

use std::net::SocketAddr;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is logged, and where traces and metrics go. Logs go to stderr.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The service's name in traces and metrics; `OTEL_SERVICE_NAME` wins over it. Where neither is said, a role in a
    /// process of its own adds its name: `holdfast-worker`.
    pub service_name: String,
    /// What is logged, in the words of `RUST_LOG`: `info`, `warn,holdfast_worker=debug`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The OTLP collector (gRPC), for example `http://127.0.0.1:4317`. Where it is not set
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` counts; without either nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// Where people look at traces: a Jaeger, to which `holdfast trace` links. Nothing is sent there.
    pub jaeger: String,
    /// Where Prometheus reads metrics; nowhere if not set.
    pub prometheus: Option<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service_name: "holdfast".to_owned(),
            log: "info".to_owned(),
            log_format: LogFormat::Human,
            otlp_endpoint: None,
            jaeger: "http://127.0.0.1:16686".to_owned(),
            prometheus: None,
        }
    }
}
