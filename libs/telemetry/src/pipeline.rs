//! Providers and exporters, put together once.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{MeterProvider, NoopMeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter, SpanProcessor};

use crate::prometheus::Scrape;
use crate::queue::Queue;
use crate::sampler::Sampler;
use crate::{Metrics, TaskTracer};

/// How long the last export may take when the process ends.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// What a process counts, traces and exports with. Dropping it loses what is queued; see [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    metrics: Arc<Metrics>,
    task_tracer: TaskTracer,
    scrape: Option<Scrape>,
    pub(crate) tracer_provider: Option<SdkTracerProvider>,
    meter_provider: Option<SdkMeterProvider>,
}

impl Telemetry {
    /// Makes telemetry that goes nowhere, without a subscriber for logs.
    #[must_use]
    pub fn no_op() -> Self {
        Self {
            metrics: Metrics::no_op(),
            task_tracer: TaskTracer::no_op(),
            scrape: None,
            tracer_provider: None,
            meter_provider: None,
        }
    }

    /// Returns the counters and histograms.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Returns what exports the spans of tasks.
    #[must_use]
    pub fn task_tracer(&self) -> TaskTracer {
        self.task_tracer.clone()
    }

    /// Returns what Prometheus reads, for [`crate::prometheus::serve`]; none where it was not asked for.
    #[must_use]
    pub fn scrape(&self) -> Option<Scrape> {
        self.scrape.clone()
    }

    /// Exports what is queued, for at most a few seconds, and stops exporting.
    ///
    /// Failures are logged: there is nothing that a process that ends could do about them. If it is dropped, the
    /// export goes on in the background until the process ends.
    pub async fn shutdown(self) {
        let (traces, meters) = (self.tracer_provider, self.meter_provider);
        // The SDK's shutdown blocks its thread.
        let stopped = tokio::task::spawn_blocking(move || {
            let traces = traces.map_or(Ok(()), |provider| provider.shutdown_with_timeout(LAST_EXPORT));
            let meters = meters.map_or(Ok(()), |provider| provider.shutdown_with_timeout(LAST_EXPORT));
            traces.and(meters)
        });
        match stopped.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "last export of telemetry failed"),
            Err(error) => tracing::warn!(%error, "last export of telemetry was interrupted"),
        }
    }
}

/// What is to be set up.
pub(crate) struct Pipeline<T, M> {
    pub(crate) resource: Resource,
    pub(crate) sampler: Sampler,
    pub(crate) spans: Option<T>,
    pub(crate) metrics: Option<M>,
    pub(crate) scrape: Option<(Scrape, opentelemetry_prometheus::PrometheusExporter)>,
}

impl<T: SpanExporter + 'static, M: PushMetricExporter> Pipeline<T, M> {
    pub(crate) fn build(self) -> Telemetry {
        let Self { resource, sampler, spans, metrics, scrape } = self;
        let measured = metrics.is_some() || scrape.is_some();
        let (scrape, prometheus) = scrape.unzip();
        let meter_provider = measured.then(|| {
            let mut builder = SdkMeterProvider::builder().with_resource(resource.clone());
            if let Some(exporter) = metrics {
                builder = builder.with_reader(PeriodicReader::builder(exporter).build());
            }
            if let Some(exporter) = prometheus {
                builder = builder.with_reader(exporter);
            }
            builder.build()
        });
        let meter = match &meter_provider {
            Some(provider) => provider.meter("holdfast"),
            None => NoopMeterProvider::new().meter("holdfast"),
        };
        let metrics = Arc::new(Metrics::new(&meter));

        let queue = spans.map(|exporter| Queue::before(exporter, &resource, Arc::clone(&metrics)));
        let tracer_provider = queue.clone().map(|queue| {
            let builder = SdkTracerProvider::builder().with_resource(resource).with_sampler(sampler);
            builder.with_span_processor(queue).build()
        });
        let task_tracer =
            TaskTracer::new(queue.map(|queue| Arc::new(queue) as Arc<dyn SpanProcessor>), sampler);
        Telemetry { metrics, task_tracer, scrape, tracer_provider, meter_provider }
    }
}
