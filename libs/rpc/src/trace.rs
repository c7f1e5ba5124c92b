//! W3C trace context in the headers of calls.

use std::str::FromStr;

use holdfast_telemetry::propagation;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;

/// Writes the context of the current span into the headers of a call.
pub(crate) fn inject(headers: &mut HeaderMap) {
    // Without a subscriber there is no span, and nothing to pay for.
    if Span::current().is_disabled() {
        return;
    }
    propagation::inject_current(&mut |name, value| {
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    });
}

/// Makes the span of a call that came in, under the caller's if it sent one.
pub(crate) fn span(path: &str, headers: &HeaderMap) -> Span {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let span = tracing::debug_span!(
        "rpc",
        otel.kind = "server",
        otel.name = path.trim_start_matches('/'),
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
    );
    if !span.is_disabled() && headers.contains_key(propagation::TRACEPARENT) {
        let get = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        propagation::adopt(&span, &get);
    }
    span
}
