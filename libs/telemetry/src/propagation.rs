//! W3C trace context in and out of headers, without telling the caller what OpenTelemetry is.
//!
//! `get` reads a header by its lowercase name (the first, where it was sent twice), `set` writes one. A context
//! that is missing or broken is no failure: the work begins a trace of its own.
//!
//! What goes out over the wire is the [place](place) for which work is done, which [`under`] sets: one that the
//! journal knows, so that the receiver's spans have a parent whatever process dies.

use std::collections::HashMap;
use std::future::Future;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::TraceParent;

/// The header that names trace and span.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what vendors add.
pub const TRACESTATE: &str = "tracestate";

/// Reads the caller's context, to be kept with a task.
pub fn extract(get: &dyn Fn(&str) -> Option<String>) -> Option<TraceParent> {
    get(TRACEPARENT)?.parse().ok()
}

/// Puts `span` under the caller's context, vendors' additions included.
pub fn adopt(span: &Span, get: &dyn Fn(&str) -> Option<String>) {
    let headers = [TRACEPARENT, TRACESTATE].into_iter().filter_map(|name| Some((name, get(name)?)));
    let context =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers.collect()));
    if context.span().span_context().is_valid() {
        set_parent(span, context);
    }
}

/// Puts `span` under a place in a task's trace: a store's call under the attempt that needs it.
pub fn adopt_place(span: &Span, place: &TraceParent) {
    set_parent(span, Context::new().with_remote_span_context(place.span_context()));
}

/// Writes a place in a trace.
pub fn inject(place: &TraceParent, set: &mut dyn FnMut(&str, String)) {
    set(TRACEPARENT, place.to_string());
}

tokio::task_local! {
    static PLACE: Option<TraceParent>;
}

/// Does work for a place in a trace: the calls that it makes carry it. What it spawns does not know of it. Cancel-safe
/// as the work is.
pub async fn under<T>(place: Option<TraceParent>, work: impl Future<Output = T>) -> T {
    PLACE.scope(place, work).await
}

/// Returns the place for which work is done here, if there is one.
#[must_use]
pub fn place() -> Option<TraceParent> {
    PLACE.try_with(|place| *place).ok().flatten()
}

/// Returns the place of a `tracing` span, if it is exported.
pub(crate) fn of(span: &Span) -> Option<TraceParent> {
    TraceParent::of(span.context().span().span_context())
}

fn set_parent(span: &Span, context: Context) {
    // Refused where no exporter is set up or the span has begun: then there is nothing to hang anywhere.
    let _ = span.set_parent(context);
}

struct Headers(HashMap<&'static str, String>);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().copied().collect()
    }
}
