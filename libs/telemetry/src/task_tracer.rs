//! Spans of tasks: long-lived, exported when they end, by whoever records their outcome.
//!
//! A killed process never ends its spans, so nothing is kept open here: a span is made whole, from the journal's
//! times and derived ids, in one call.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_types::{TaskId, Timestamp};
use opentelemetry::trace::{Event, Link, SpanId, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor};

use crate::sampler::Sampler;
use crate::{Coordinates, TraceParent, names};

/// The trace that a task's spans hang in. Journaled at submission, as the task's id and the caller's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskTrace {
    task: TaskId,
    caller: Option<TraceParent>,
    sampled: bool,
}

impl TaskTrace {
    /// Derives it: the caller's trace where one was sent, else one whose id is the task's UUID. It is exported unless
    /// the caller's is not; where the sampler is to be asked, [`TaskTracer::trace`] makes it.
    #[must_use]
    pub fn new(task: TaskId, caller: Option<TraceParent>) -> Self {
        Self { task, caller, sampled: caller.is_none_or(|caller| caller.is_sampled()) }
    }

    /// Returns the task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task
    }

    /// Returns the place of a span in it, to be sent to a worker or put above a `tracing` span.
    #[must_use]
    pub fn at(&self, place: &Coordinates) -> TraceParent {
        TraceParent::new(self.trace_id(), place.span_id(self.task), self.sampled)
    }

    fn trace_id(&self) -> [u8; 16] {
        self.caller.map_or(*self.task.bytes(), |caller| caller.trace_id())
    }

    fn parent_id(&self, place: &Coordinates) -> SpanId {
        match (place.parent(), self.caller) {
            (Some(parent), _) => SpanId::from_bytes(parent.span_id(self.task)),
            (None, Some(caller)) => SpanId::from_bytes(caller.span_id()),
            (None, None) => SpanId::INVALID,
        }
    }
}

/// What a span stands for, in OpenTelemetry's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpanKind {
    /// Work within the platform.
    #[default]
    Internal,
    /// A request that was received.
    Server,
    /// A request that was sent.
    Client,
}

/// A span that has ended.
#[derive(Debug, Clone)]
pub struct TaskSpan {
    name: String,
    place: Coordinates,
    kind: SpanKind,
    started: Timestamp,
    ended: Timestamp,
    attributes: Vec<KeyValue>,
    links: Vec<Coordinates>,
    events: Vec<(&'static str, Timestamp)>,
    failed: Option<String>,
}

impl TaskSpan {
    /// Makes a span; its id and its parent's follow from `place`.
    #[must_use]
    pub fn new(name: impl Into<String>, place: Coordinates, started: Timestamp, ended: Timestamp) -> Self {
        Self {
            name: name.into(),
            place,
            kind: SpanKind::Internal,
            started,
            ended,
            attributes: Vec::new(),
            links: Vec::new(),
            events: Vec::new(),
            failed: None,
        }
    }

    /// Says what it stands for.
    #[must_use]
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds an attribute (text, number or truth value); its name is one of [`names::attribute`].
    #[must_use]
    pub fn attribute(mut self, name: &'static str, value: impl Into<opentelemetry::Value>) -> Self {
        self.attributes.push(KeyValue::new(name, value));
        self
    }

    /// Links it to another span of the same task: a life to the one before.
    #[must_use]
    pub fn link(mut self, to: Coordinates) -> Self {
        self.links.push(to);
        self
    }

    /// Notes something that happened within it; its name is one of [`names::span_event`].
    #[must_use]
    pub fn event(mut self, name: &'static str, at: Timestamp) -> Self {
        self.events.push((name, at));
        self
    }

    /// Marks it as failed, with the failure's reason as `error.type`.
    #[must_use]
    pub fn failed(mut self, reason: impl Into<String>) -> Self {
        self.failed = Some(reason.into());
        self
    }
}

/// Exports the spans of tasks. Cheap to clone; never blocks: past the bounded queue spans are dropped.
#[derive(Debug, Clone)]
pub struct TaskTracer {
    processor: Option<Arc<dyn SpanProcessor>>,
    sampler: Sampler,
    scope: InstrumentationScope,
}

impl TaskTracer {
    /// Makes a tracer that exports nothing.
    #[must_use]
    pub fn no_op() -> Self {
        Self::new(None, Sampler::default())
    }

    pub(crate) fn new(processor: Option<Arc<dyn SpanProcessor>>, sampler: Sampler) -> Self {
        Self { processor, sampler, scope: scope() }
    }

    /// Returns whether spans go anywhere: to spare the work of making them where not.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.processor.is_some()
    }

    /// Derives a task's trace, and chooses whether it is exported. Every process chooses the same, if all have the same
    /// sampler.
    #[must_use]
    pub fn trace(&self, task: TaskId, caller: Option<TraceParent>) -> TaskTrace {
        let trace = TaskTrace::new(task, caller);
        let sampled = self.sampler.takes(trace.trace_id(), caller.map(|caller| caller.is_sampled()));
        TaskTrace { sampled, ..trace }
    }

    /// Returns whether spans of this trace go anywhere.
    #[must_use]
    pub fn takes(&self, trace: &TaskTrace) -> bool {
        self.is_on() && trace.sampled
    }

    /// Hands a finished span to the exporter, unless its trace is not sampled.
    pub fn export(&self, trace: &TaskTrace, span: TaskSpan) {
        let Some(processor) = &self.processor else { return };
        let place = trace.at(&span.place);
        if !place.is_sampled() {
            return;
        }
        let mut links = SpanLinks::default();
        links.links =
            span.links.iter().map(|to| Link::new(trace.at(to).span_context(), Vec::new(), 0)).collect();
        let mut events = SpanEvents::default();
        events.events =
            span.events.iter().map(|(name, at)| Event::new(*name, system_time(*at), Vec::new(), 0)).collect();
        let mut attributes = span.attributes;
        let status = match span.failed {
            Some(reason) => {
                attributes.push(KeyValue::new(names::attribute::ERROR_TYPE, reason));
                Status::error("")
            }
            None => Status::Unset,
        };
        let has_caller = trace.caller.is_some() && span.place == Coordinates::Task;
        processor.on_end(SpanData {
            span_context: place.span_context(),
            parent_span_id: trace.parent_id(&span.place),
            parent_span_is_remote: has_caller,
            span_kind: match span.kind {
                SpanKind::Internal => opentelemetry::trace::SpanKind::Internal,
                SpanKind::Server => opentelemetry::trace::SpanKind::Server,
                SpanKind::Client => opentelemetry::trace::SpanKind::Client,
            },
            name: span.name.into(),
            start_time: system_time(span.started),
            end_time: system_time(span.ended.max(span.started)),
            attributes,
            dropped_attributes_count: 0,
            events,
            links,
            status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// Where spans say that they come from, and whose names they have.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("holdfast")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(names::CONVENTIONS)
        .build()
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0))
}
