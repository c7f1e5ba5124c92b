//! Providers and exporters, put together once.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::prometheus::Scrape;
use crate::{Metrics, TaskTracer};

/// Spans that wait for the exporter: some seconds of a busy instance, a few MB. Past it they are dropped, because
/// a slow collector must not slow the work.
const QUEUED_SPANS: usize = 8_192;

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
    pub(crate) spans: Option<T>,
    pub(crate) metrics: Option<M>,
    pub(crate) scrape: Option<(Scrape, opentelemetry_prometheus::PrometheusExporter)>,
}

impl<T: SpanExporter + 'static, M: PushMetricExporter> Pipeline<T, M> {
    pub(crate) fn build(self) -> Telemetry {
        let Self { resource, spans, metrics, scrape } = self;
        let processor = spans.map(|exporter| {
            let config = BatchConfigBuilder::default().with_max_queue_size(QUEUED_SPANS).build();
            let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
            processor.set_resource(&resource);
            Arc::new(processor)
        });
        let tracer_provider = processor.clone().map(|processor| {
            SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_span_processor(Shared(processor))
                .build()
        });

        let measured = metrics.is_some() || scrape.is_some();
        let (scrape, prometheus) = scrape.unzip();
        let meter_provider = measured.then(|| {
            let mut builder = SdkMeterProvider::builder().with_resource(resource);
            if let Some(exporter) = metrics {
                builder = builder.with_reader(PeriodicReader::builder(exporter).build());
            }
            if let Some(exporter) = prometheus {
                builder = builder.with_reader(exporter);
            }
            builder.build()
        });
        let metrics = match &meter_provider {
            Some(provider) => Arc::new(Metrics::new(&provider.meter("holdfast"))),
            None => Metrics::no_op(),
        };
        let task_tracer = TaskTracer::new(processor.map(|processor| processor as Arc<dyn SpanProcessor>));
        Telemetry { metrics, task_tracer, scrape, tracer_provider, meter_provider }
    }
}

/// The one queue that `tracing` spans and spans of tasks share.
#[derive(Debug)]
struct Shared(Arc<BatchSpanProcessor>);

impl SpanProcessor for Shared {
    fn on_start(&self, span: &mut Span, context: &opentelemetry::Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}
