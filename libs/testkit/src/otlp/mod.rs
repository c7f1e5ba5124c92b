//! A real receiver of OTLP over gRPC, in a collector's place: it keeps every span, by trace.

mod receiver;
mod trace;

pub use receiver::{OtlpError, OtlpReceiver};
pub use trace::{ReceivedSpan, Side, Trace};
