//! What was received, and whether it is a tree.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, span, status};

/// A span as it was received; ids as lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedSpan {
    /// The trace's id.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The id of the span that it hangs under; none: a root.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Whose side of a call it is.
    pub side: Side,
    /// The service that sent it.
    pub service: String,
    /// When it began, in nanoseconds since 1970.
    pub began: u64,
    /// When it ended, in nanoseconds since 1970.
    pub ended: u64,
    /// Its attributes, their values as text.
    pub attributes: BTreeMap<String, String>,
    /// The ids of the spans that it is linked to.
    pub links: Vec<String>,
    /// The names of its events.
    pub events: Vec<String>,
    /// Whether it is marked as an error.
    pub is_error: bool,
}

/// Whose side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Neither.
    Internal,
    /// The one that calls.
    Client,
    /// The one that is called.
    Server,
}

impl ReceivedSpan {
    pub(super) fn read(service: &str, span: Span) -> Self {
        let side = match span.kind() {
            span::SpanKind::Client => Side::Client,
            span::SpanKind::Server => Side::Server,
            _ => Side::Internal,
        };
        Self {
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_id: Some(hex(&span.parent_span_id)).filter(|id| !id.is_empty()),
            name: span.name,
            side,
            service: service.to_owned(),
            began: span.start_time_unix_nano,
            ended: span.end_time_unix_nano,
            attributes: span.attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect(),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            events: span.events.into_iter().map(|event| event.name).collect(),
            is_error: span.status.is_some_and(|status| status.code() == status::StatusCode::Error),
        }
    }

    /// An attribute's value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

pub(super) fn service(attributes: &[KeyValue]) -> String {
    let name = attributes.iter().find(|pair| pair.key == "service.name");
    name.map(|pair| text(pair.value.clone())).unwrap_or_default()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        other => other.map(|value| format!("{value:?}")).unwrap_or_default(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of one trace, each once: what was sent twice with the same content is one span.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    spans: BTreeMap<String, ReceivedSpan>,
    conflicts: Vec<(ReceivedSpan, ReceivedSpan)>,
}

impl Trace {
    pub(super) fn of(received: impl IntoIterator<Item = ReceivedSpan>) -> Self {
        let mut trace = Self::default();
        for span in received {
            match trace.spans.get(&span.span_id) {
                Some(known) if *known != span => trace.conflicts.push((known.clone(), span)),
                Some(_) => {}
                None => {
                    trace.spans.insert(span.span_id.clone(), span);
                }
            }
        }
        trace
    }

    /// All spans, by their ids.
    pub fn spans(&self) -> impl Iterator<Item = &ReceivedSpan> {
        self.spans.values()
    }

    /// The spans whose name begins so.
    pub fn named<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a ReceivedSpan> {
        self.spans().filter(move |span| span.name.starts_with(beginning))
    }

    /// A span by its id.
    #[must_use]
    pub fn span(&self, id: &str) -> Option<&ReceivedSpan> {
        self.spans.get(id)
    }

    /// The span that another hangs under.
    #[must_use]
    pub fn parent(&self, of: &ReceivedSpan) -> Option<&ReceivedSpan> {
        self.span(of.parent_id.as_deref()?)
    }

    /// What is wrong with the tree, in words; nothing: it has one root (or hangs under one caller that sent nothing
    /// here), every other span a parent that is there, and no two spans one id.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self
            .conflicts
            .iter()
            .map(|(one, other)| format!("two spans have the id {}:\n  {one:?}\n  {other:?}", one.span_id))
            .collect();
        let roots = self.spans().filter(|span| span.parent_id.is_none()).count();
        if roots != 1 {
            faults.push(format!("{roots} roots"));
        }
        let orphans = self.spans().filter(|span| span.parent_id.is_some() && self.parent(span).is_none());
        faults.extend(orphans.map(|span| format!("an orphan: {span:?}")));
        faults.extend(
            self.spans().filter(|span| span.ended < span.began).map(|span| format!("ends early: {span:?}")),
        );
        faults
    }

    /// The services that sent spans.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans().map(|span| span.service.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: Option<&str>) -> ReceivedSpan {
        ReceivedSpan {
            trace_id: "t".into(),
            span_id: id.into(),
            parent_id: parent.map(str::to_owned),
            name: "a span".into(),
            side: Side::Internal,
            service: "s".into(),
            began: 1,
            ended: 2,
            attributes: BTreeMap::new(),
            links: Vec::new(),
            events: Vec::new(),
            is_error: false,
        }
    }

    #[test]
    fn a_tree_has_no_faults_and_may_be_told_twice() {
        let told = [span("a", None), span("b", Some("a")), span("b", Some("a"))];
        let trace = Trace::of(told);
        assert_eq!((trace.faults(), trace.spans().count()), (Vec::new(), 2));
    }

    #[test]
    fn every_fault_is_told() {
        let faults = |spans: &[ReceivedSpan]| Trace::of(spans.to_vec()).faults().len();
        assert_eq!(faults(&[span("a", None), span("b", Some("x"))]), 1, "an orphan");
        assert_eq!(faults(&[span("a", None), span("b", None)]), 1, "two roots");
        assert_eq!(
            faults(&[span("a", None), ReceivedSpan { ended: 3, ..span("a", None) }]),
            1,
            "one id twice"
        );
        assert_eq!(faults(&[ReceivedSpan { ended: 0, ..span("a", None) }]), 1, "an end before the beginning");
    }
}
