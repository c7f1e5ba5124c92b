//! The spans of gRPC calls, by OpenTelemetry's conventions for RPC: a client's and a server's.
//!
//! They are leaves: whatever either side sends on hangs beside them, under the place that the call was made for. A
//! killed process never ends its spans, and a tree whose inner nodes are in the journal has no gap all the same.

use opentelemetry::trace::Status;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::names::attribute;
use crate::{TraceParent, propagation};

/// A call under way, as one of its sides sees it. Where nothing is exported it costs nothing.
#[derive(Debug)]
pub struct RpcSpan(Span);

impl RpcSpan {
    /// The server's side of `package.Service/Method`, under the caller's context if it sent one, else the root of a
    /// trace of its own.
    #[must_use]
    pub fn server(method: &str, get: &dyn Fn(&str) -> Option<String>) -> Self {
        let span = tracing::debug_span!("rpc", otel.name = method, otel.kind = "server");
        if !span.is_disabled() {
            propagation::adopt(&span, get);
        }
        Self::of(span, method)
    }

    /// The client's side, under the place for which it is made. `address` is `HOST:PORT`.
    #[must_use]
    pub fn client(method: &str, address: &str, place: &TraceParent) -> Self {
        let span = tracing::debug_span!("rpc", otel.name = method, otel.kind = "client");
        if !span.is_disabled() {
            propagation::adopt_place(&span, place);
            if let Some((host, port)) = address.rsplit_once(':') {
                span.set_attribute(attribute::SERVER_ADDRESS, host.to_owned());
                span.set_attribute(attribute::SERVER_PORT, port.parse::<i64>().unwrap_or_default());
            }
        }
        Self::of(span, method)
    }

    fn of(span: Span, method: &str) -> Self {
        if !span.is_disabled() {
            span.set_attribute(attribute::RPC_SYSTEM, "grpc");
            span.set_attribute(attribute::RPC_METHOD, method.to_owned());
        }
        Self(span)
    }

    /// Its place: where what it leads to hangs, if the caller named none.
    #[must_use]
    pub fn place(&self) -> Option<TraceParent> {
        propagation::of(&self.0)
    }

    /// Ends it with a status code's name; `error` says whether this side takes that for a failure.
    pub fn end(self, code: &'static str, error: Verdict) {
        if self.0.is_disabled() {
            return;
        }
        self.0.set_attribute(attribute::RPC_STATUS, code);
        if error == Verdict::Failed {
            self.0.set_attribute(attribute::ERROR_TYPE, code);
            self.0.set_status(Status::error(""));
        }
    }
}

/// What a status code means for the side that sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No error.
    Fine,
    /// An error.
    Failed,
}
