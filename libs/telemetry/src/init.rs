//! Starts telemetry for a process.

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::endpoint::{Endpoint, Signal};
use crate::pipeline::{Pipeline, Telemetry};
use crate::prometheus::Scrape;
use crate::sampler::Sampler;
use crate::{Config, LogFormat, task_tracer};

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `telemetry.log` is no filter.
    #[error(
        "telemetry.log: '{given}' is not a log filter: expected for example info or warn,holdfast_worker=debug"
    )]
    Filter {
        /// What was given.
        given: String,
        /// What the parser said.
        #[source]
        source: ParseError,
    },
    /// The OTLP exporter refused its settings.
    #[error("can't set up the export to the OTLP collector")]
    Otlp(#[source] ExporterBuildError),
    /// The Prometheus reader could not be made.
    #[error("can't set up the Prometheus reader")]
    Prometheus(#[source] OTelSdkError),
    /// Something else in this process already logs.
    #[error("logging is already set up")]
    Subscriber(#[source] TryInitError),
}

/// Starts logs, and the export of traces and metrics where the configuration or `OTEL_*` ask for it.
///
/// Call it once a process, within a tokio runtime: the exporter's connection lives on it. An unreachable
/// collector is no error: spans are dropped past a bounded queue.
///
/// # Errors
/// [`Error`].
pub fn init(config: &Config) -> Result<Telemetry, Error> {
    let telemetry = pipeline(config)?;
    let traces = telemetry.tracer_provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer_with_scope(task_tracer::scope()))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
    });
    tracing_subscriber::registry()
        .with(logs(config)?)
        .with(traces.map(|layer| layer.with_filter(filter_fn(is_exported))))
        .try_init()
        .map_err(Error::Subscriber)?;
    Ok(telemetry)
}

/// Makes telemetry that is only read, by [`Telemetry::scrape`]: no logs are set up, and nothing is exported. For tests,
/// of which many run in one process.
///
/// # Errors
/// [`Error::Prometheus`].
pub fn scraped() -> Result<Telemetry, Error> {
    let scrape = Some(Scrape::new().map_err(Error::Prometheus)?);
    let (resource, sampler) = (Resource::builder_empty().build(), Sampler::default());
    let (spans, metrics) = (None::<SpanExporter>, None::<MetricExporter>);
    Ok(Pipeline { resource, sampler, spans, metrics, scrape }.build())
}

/// Spans of our own crates only: those of the libraries below would drown them, and the exporter's own connection
/// would trace itself. Log lines stay out: what they say of failures can be a tool's own words.
fn is_exported(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("holdfast")
}

fn logs(config: &Config) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Error> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|source| Error::Filter { given: config.log.clone(), source })?;
    let layer = fmt::layer().with_writer(std::io::stderr);
    Ok(match config.log_format {
        LogFormat::Human => {
            layer.with_target(false).with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

pub(crate) fn pipeline(config: &Config) -> Result<Telemetry, Error> {
    let env = |name: &str| std::env::var(name).ok();
    let spans = match Endpoint::choose(config, Signal::Traces, &env) {
        None => None,
        Some(Endpoint::Environment) => Some(SpanExporter::builder().with_tonic().build()),
        Some(Endpoint::Configured(address)) => {
            Some(SpanExporter::builder().with_tonic().with_endpoint(address).build())
        }
    };
    let metrics = match Endpoint::choose(config, Signal::Metrics, &env) {
        None => None,
        Some(Endpoint::Environment) => Some(MetricExporter::builder().with_tonic().build()),
        Some(Endpoint::Configured(address)) => {
            Some(MetricExporter::builder().with_tonic().with_endpoint(address).build())
        }
    };
    let spans = spans.transpose().map_err(Error::Otlp)?;
    let metrics = metrics.transpose().map_err(Error::Otlp)?;
    let scrape = config.prometheus.map(|_| Scrape::new()).transpose().map_err(Error::Prometheus)?;
    let resource = match std::env::var("OTEL_SERVICE_NAME") {
        Ok(_) => Resource::builder().build(),
        Err(_) => Resource::builder().with_service_name(config.service_name.clone()).build(),
    };
    let sampler = Sampler::choose(&env);
    Ok(Pipeline { resource, sampler, spans, metrics, scrape }.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused_with_its_text() {
        let config = Config { log: "holdfast=loud".into(), ..Config::default() };
        let error = logs(&config).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("'holdfast=loud'"), "{error}");
    }
}
