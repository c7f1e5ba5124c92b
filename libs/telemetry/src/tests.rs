//! The parts together, with an exporter that keeps what it is given.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_types::{CallId, StepId, TaskId, Timestamp};
use opentelemetry::trace::{SpanId, Status, TracerProvider};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt;

use crate::pipeline::{Pipeline, Telemetry};
use crate::prometheus::Scrape;
use crate::rpc::{RpcSpan, Verdict};
use crate::sampler::Sampler;
use crate::{Coordinates, SpanKind, TaskSpan, TaskTrace, TaskTracer, TraceParent, names, propagation};

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().append(&mut batch);
        Ok(())
    }
}

/// An exporter that takes its time.
#[derive(Debug)]
struct Stuck;

impl SpanExporter for Stuck {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        std::future::pending().await
    }
}

fn pipeline<T>(
    spans: Option<T>,
    scrape: Option<(Scrape, opentelemetry_prometheus::PrometheusExporter)>,
) -> Pipeline<T, MetricExporter> {
    let (resource, sampler) = (Resource::builder().build(), Sampler::default());
    Pipeline { resource, sampler, spans, metrics: None, scrape }
}

fn tracing_to<T: SpanExporter + 'static>(exporter: T) -> Telemetry {
    pipeline(Some(exporter), None).build()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn call() -> CallId {
    CallId::forward(StepId::try_new("charge").unwrap(), None)
}

#[tokio::test]
async fn a_task_becomes_one_connected_trace() {
    let kept = Kept::default();
    let telemetry = tracing_to(kept.clone());
    let tracer = telemetry.task_tracer();
    let task = TaskId::new(1, [9; 10]);
    let trace = TaskTrace::new(task, None);

    // Recorded by two lives, the later one without a memory of the first.
    tracer.export(&trace, TaskSpan::new(names::span::TASK, Coordinates::Task, at(1), at(1)));
    let attempt = TaskSpan::new(names::span::ATTEMPT, Coordinates::Attempt(call(), 1), at(2), at(3))
        .kind(SpanKind::Client)
        .attribute(names::attribute::ATTEMPT, 1)
        .failed("CONNECT_FAILED");
    tracer.export(&trace, attempt);
    let other_life = telemetry.task_tracer();
    other_life.export(&trace, TaskSpan::new("execute_tool charge", Coordinates::Call(call()), at(2), at(5)));
    other_life.export(&trace, TaskSpan::new(names::span::STEP, Coordinates::Step(call().step), at(2), at(5)));
    let life =
        TaskSpan::new(names::span::LIFE, Coordinates::Life(2), at(4), at(6)).link(Coordinates::Life(1));
    other_life.export(&trace, life);
    telemetry.shutdown().await;

    let spans = kept.0.lock().unwrap();
    assert_eq!(spans.len(), 5);
    assert!(spans.iter().all(|span| span.span_context.trace_id().to_bytes() == *task.bytes()));
    let ids: Vec<SpanId> = spans.iter().map(|span| span.span_context.span_id()).collect();
    for span in spans.iter() {
        let root = span.name == names::span::TASK;
        assert_eq!(span.parent_span_id == SpanId::INVALID, root, "{}", span.name);
        assert!(root || ids.contains(&span.parent_span_id), "{} hangs nowhere", span.name);
    }
    let failed = spans.iter().find(|span| span.name == names::span::ATTEMPT).unwrap();
    assert_eq!(failed.status, Status::error(""));
    assert_eq!(failed.start_time, SystemTime::UNIX_EPOCH + Duration::from_secs(2));
    assert!(failed.attributes.iter().any(|pair| pair.key.as_str() == names::attribute::ERROR_TYPE));
    let whole = spans.iter().find(|span| span.name == "execute_tool charge").unwrap();
    assert_eq!(whole.status, Status::Unset, "a retried failure does not mark the whole");
    let life = spans.iter().find(|span| span.name == names::span::LIFE).unwrap();
    assert_eq!(
        life.links[0].span_context.span_id(),
        trace.at(&Coordinates::Life(1)).span_context().span_id()
    );
}

#[tokio::test]
async fn a_callers_trace_goes_on_and_its_choice_not_to_sample_holds() {
    let kept = Kept::default();
    let telemetry = tracing_to(kept.clone());
    let task = TaskId::new(1, [9; 10]);
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let caller: TraceParent = sampled.parse().unwrap();
    let unsampled: TraceParent = sampled.replace("-01", "-00").parse().unwrap();
    for parent in [caller, unsampled] {
        let root = TaskSpan::new(names::span::TASK, Coordinates::Task, at(1), at(1));
        telemetry.task_tracer().export(&TaskTrace::new(task, Some(parent)), root);
    }
    telemetry.shutdown().await;

    let spans = kept.0.lock().unwrap();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].span_context.trace_id().to_bytes(), caller.trace_id());
    assert_eq!(spans[0].parent_span_id.to_bytes(), caller.span_id());
    assert!(spans[0].parent_span_is_remote);
}

#[test]
fn a_stuck_exporter_blocks_nobody_and_what_is_dropped_is_counted() {
    let telemetry = pipeline(Some(Stuck), Some(Scrape::new().unwrap())).build();
    let tracer = telemetry.task_tracer();
    let trace = TaskTrace::new(TaskId::new(1, [9; 10]), None);
    for number in 0..20_000 {
        let span = TaskSpan::new("attempt", Coordinates::Attempt(call(), number), at(1), at(2));
        tracer.export(&trace, span);
    }
    // Reached at all: past the queue's bound spans are dropped.
    let text = telemetry.scrape().unwrap().text().unwrap();
    let dropped = "holdfast_spans_dropped_total{reason=\"queue_full\"} 11808";
    assert!(text.lines().any(|line| line == dropped), "{text}");
    // Its thread hangs on, as the exporter does.
    std::mem::forget(telemetry);
}

/// A collector that is not there.
#[derive(Debug)]
struct Down;

impl SpanExporter for Down {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure("nobody listens".into()))
    }
}

#[test]
fn what_a_collector_does_not_take_is_counted_and_makes_room() {
    let telemetry = pipeline(Some(Down), Some(Scrape::new().unwrap())).build();
    let (tracer, provider) = (telemetry.task_tracer(), telemetry.tracer_provider.clone().unwrap());
    let trace = TaskTrace::new(TaskId::new(1, [9; 10]), None);
    for round in 0..3 {
        for number in 0..5_000 {
            let place = Coordinates::Attempt(call(), round * 5_000 + number);
            tracer.export(&trace, TaskSpan::new("attempt", place, at(1), at(2)));
        }
        let _ = provider.force_flush();
    }
    let text = telemetry.scrape().unwrap().text().unwrap();
    let dropped = "holdfast_spans_dropped_total{reason=\"export_failed\"} 15000";
    assert!(text.lines().any(|line| line == dropped), "{text}");
}

#[tokio::test]
async fn both_sides_of_a_call_hang_under_the_place_that_it_is_made_for() {
    let kept = Kept::default();
    let telemetry = tracing_to(kept.clone());
    let provider = telemetry.tracer_provider.clone().unwrap();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let place = TaskTrace::new(TaskId::new(1, [9; 10]), None).at(&Coordinates::Attempt(call(), 1));
    {
        let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let carried = propagation::under(Some(place), async { propagation::place() }).await;
        assert_eq!((carried, propagation::place()), (Some(place), None));
        RpcSpan::client("x.Y/Z", "127.0.0.1:7423", &place).end("UNAVAILABLE", Verdict::Failed);
        let mut headers = Vec::new();
        propagation::inject(&place, &mut |name, value| headers.push((name.to_owned(), value)));
        let get = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        RpcSpan::server("x.Y/Z", &get).end("OK", Verdict::Fine);
        let root = RpcSpan::server("x.Y/Z", &|_| Some("00-00000000000000000000000000000000-00-01".into()));
        assert!(root.place().is_some_and(|root| root.trace_id() != place.trace_id()));
        root.end("OK", Verdict::Fine);
    }
    telemetry.shutdown().await;

    let spans = kept.0.lock().unwrap();
    let (client, server, root) = (&spans[0], &spans[1], &spans[2]);
    for span in [client, server] {
        assert_eq!(span.parent_span_id.to_bytes(), place.span_id());
        assert_eq!(span.span_context.trace_id().to_bytes(), place.trace_id());
    }
    assert_eq!(
        root.parent_span_id,
        SpanId::INVALID,
        "a context that is none begins a trace, and fails nothing"
    );
    let attribute = |span: &SpanData, name: &str| {
        let pair = span.attributes.iter().find(|pair| pair.key.as_str() == name);
        pair.map(|pair| pair.value.to_string())
    };
    assert_eq!(attribute(client, "rpc.method").as_deref(), Some("x.Y/Z"));
    assert_eq!(attribute(client, "error.type").as_deref(), Some("UNAVAILABLE"));
    assert_eq!(attribute(client, "server.port").as_deref(), Some("7423"));
    assert_eq!((client.status.clone(), server.status.clone()), (Status::error(""), Status::Unset));
    assert_eq!(attribute(server, "error.type"), None);
}

#[test]
fn a_broken_context_is_no_context() {
    let broken = |name: &str| (name == propagation::TRACEPARENT).then(|| "00-zz-zz-01".to_owned());
    assert_eq!(propagation::extract(&broken), None);
    propagation::adopt(&tracing::info_span!("served"), &broken);
    propagation::adopt(&tracing::info_span!("served"), &|_| None);
}

#[test]
fn the_clock_of_a_span_may_have_stepped_back() {
    let kept = Kept::default();
    let telemetry = tracing_to(kept.clone());
    let trace = TaskTrace::new(TaskId::new(1, [9; 10]), None);
    telemetry.task_tracer().export(&trace, TaskSpan::new("step", Coordinates::Finish, at(9), at(3)));
    telemetry.tracer_provider.as_ref().unwrap().force_flush().unwrap();
    let spans = kept.0.lock().unwrap();
    assert_eq!(spans[0].end_time, UNIX_EPOCH + Duration::from_secs(9));
}

#[test]
fn no_op_telemetry_takes_everything() {
    let telemetry = Telemetry::no_op();
    assert!(!telemetry.task_tracer().is_on() && telemetry.scrape().is_none());
    telemetry.metrics().replay();
    let trace = TaskTrace::new(TaskId::new(1, [9; 10]), None);
    TaskTracer::no_op().export(&trace, TaskSpan::new("task", Coordinates::Task, at(1), at(1)));
}
