//! The W3C trace context as a value that can be journaled and sent.

use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// A place in a trace: which trace, which span in it, and whether it is sampled.
///
/// Its text is the header `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

/// A text that is no `traceparent`. Callers take it for "no context", never for a failure of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent: expected 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, ids not all zero")]
pub struct TraceParentError;

impl TraceParent {
    /// Puts a place together.
    #[must_use]
    pub(crate) const fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Self {
        Self { trace_id, span_id, sampled }
    }

    /// Takes the place of a span that has one.
    pub(crate) fn of(context: &SpanContext) -> Option<Self> {
        context.is_valid().then(|| {
            Self::new(context.trace_id().to_bytes(), context.span_id().to_bytes(), context.is_sampled())
        })
    }

    /// Returns the trace's id.
    #[must_use]
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// Returns the trace's id as 32 lowercase hex digits, as the API and the logs show it.
    #[must_use]
    pub fn trace_id_text(&self) -> String {
        TraceId::from_bytes(self.trace_id).to_string()
    }

    /// Returns the span's id.
    #[must_use]
    pub const fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Returns whether spans below it are to be exported.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    pub(crate) fn span_context(&self) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(self.sampled);
        let (trace_id, span_id) = (TraceId::from_bytes(self.trace_id), SpanId::from_bytes(self.span_id));
        SpanContext::new(trace_id, span_id, flags, true, TraceState::default())
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (TraceId::from_bytes(self.trace_id), SpanId::from_bytes(self.span_id));
        write!(f, "00-{trace_id}-{span_id}-{:02x}", u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Reads version 00, and what later versions promise to keep (more fields may follow theirs).
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut fields = text.trim().split('-');
        let mut field = || fields.next().ok_or(TraceParentError);
        let (version, trace_id, span_id, flags) = (field()?, field()?, field()?, field()?);
        let more = fields.next().is_some();
        let version: [u8; 1] = hex(version)?;
        if version == [0xff] || (version == [0] && more) {
            return Err(TraceParentError);
        }
        let (trace_id, span_id): ([u8; 16], [u8; 8]) = (hex(trace_id)?, hex(span_id)?);
        let [flags] = hex(flags)?;
        if trace_id == [0; 16] || span_id == [0; 8] {
            return Err(TraceParentError);
        }
        Ok(Self::new(trace_id, span_id, flags & 1 == 1))
    }
}

/// Reads exactly `N` bytes of lowercase hex.
fn hex<const N: usize>(text: &str) -> Result<[u8; N], TraceParentError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TraceParentError),
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(TraceParentError);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn text_round_trips() {
        let parent: TraceParent = GOOD.parse().unwrap();
        assert_eq!(parent.to_string(), GOOD);
        assert!(parent.is_sampled());
        assert_eq!(parent.trace_id_text(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(GOOD.replacen("00", "01", 1).parse::<TraceParent>().is_ok());
        assert!(format!("{}-more", GOOD.replacen("00", "01", 1)).parse::<TraceParent>().is_ok());
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-é1",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(TraceParentError), "{bad}");
        }
    }
}
