//! The one bounded queue before the exporter: what does not fit, and what can't be sent, is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::{Metrics, SpanLoss};

/// Spans that wait for the exporter: some seconds of a busy instance, a few MB. Past it they are dropped, because
/// a slow collector must not slow the work.
const QUEUED_SPANS: usize = 8_192;

/// How long a span waits for others: what a killed process takes with it.
const GATHER: Duration = Duration::from_secs(1);

/// The variable with which OpenTelemetry's users say it otherwise, in milliseconds.
const GATHER_VARIABLE: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// What both ends of the queue share.
#[derive(Debug, Clone)]
struct Account {
    waiting: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// The way in. All spans of a process go through the same one.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    processor: Arc<BatchSpanProcessor>,
    account: Account,
}

impl Queue {
    pub(crate) fn before<T: SpanExporter + 'static>(
        exporter: T,
        resource: &Resource,
        metrics: Arc<Metrics>,
    ) -> Self {
        let account = Account { waiting: Arc::default(), metrics };
        let mut config = BatchConfigBuilder::default();
        if std::env::var_os(GATHER_VARIABLE).is_none() {
            config = config.with_scheduled_delay(GATHER);
        }
        // The processor's own bound is never reached: ours comes first, and counts.
        let config = config.with_max_queue_size(2 * QUEUED_SPANS).build();
        let exporter = Counted { exporter, account: account.clone() };
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        processor.set_resource(resource);
        Self { processor: Arc::new(processor), account }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &opentelemetry::Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.account.waiting.fetch_add(1, Ordering::Relaxed) < QUEUED_SPANS {
            self.processor.on_end(span);
        } else {
            self.account.waiting.fetch_sub(1, Ordering::Relaxed);
            self.account.metrics.spans_dropped(1, SpanLoss::QueueFull);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }
}

/// The way out.
#[derive(Debug)]
struct Counted<T> {
    exporter: T,
    account: Account,
}

impl<T: SpanExporter> SpanExporter for Counted<T> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.exporter.export(batch).await;
        self.account.waiting.fetch_sub(count, Ordering::Relaxed);
        if exported.is_err() {
            self.account.metrics.spans_dropped(count, SpanLoss::ExportFailed);
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
