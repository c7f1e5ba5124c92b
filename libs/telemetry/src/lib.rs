//! Tracing, metrics and their export. The only crate that knows the OpenTelemetry SDK.
//!
//! [`init`] once a process gives a [`Telemetry`]: its [`Metrics`] and its [`TaskTracer`] are passed by value to
//! whoever counts or traces. Every name is a constant in [`names`].

mod config;
mod coordinates;
mod endpoint;
mod init;
mod labels;
mod metrics;
pub mod names;
mod pipeline;
pub mod prometheus;
pub mod propagation;
mod queue;
pub mod rpc;
mod sampler;
mod task_tracer;
mod traceparent;

pub use config::{Config, LogFormat};
pub use coordinates::Coordinates;
pub use init::{Error, init, scraped};
pub use metrics::catalogue::{Definition, Kind, Unit};
pub use metrics::{
    BreakerState, CompensationResult, FrontAnswer, Held, KeyDurability, KeyVerb, KeyVerbAnswer, Metrics,
    Resolution, ResumeKind, SpanLoss,
};
pub use pipeline::Telemetry;
pub use task_tracer::{SpanKind, TaskSpan, TaskTrace, TaskTracer};
pub use traceparent::TraceParent;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
