//! W3C trace context in and out of headers, without telling the caller what OpenTelemetry is.
//!
//! `get` reads a header by its lowercase name (the first, where it was sent twice), `set` writes one. A context
//! that is missing or broken is no failure: the work begins a trace of its own.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
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

/// Writes the context of the current `tracing` span; nothing where no exporter is set up.
pub fn inject_current(set: &mut dyn FnMut(&str, String)) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Setter(set));
}

/// Writes a place in a task's trace.
pub fn inject(place: &TraceParent, set: &mut dyn FnMut(&str, String)) {
    set(TRACEPARENT, place.to_string());
}

/// Returns the place of the current `tracing` span, if it has one.
#[must_use]
pub fn current() -> Option<TraceParent> {
    TraceParent::of(Span::current().context().span().span_context())
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

struct Setter<'a>(&'a mut dyn FnMut(&str, String));

impl Injector for Setter<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty tracestate says nothing.
        if !value.is_empty() {
            (self.0)(key, value);
        }
    }
}
