//! A real collector's side of OTLP. One test in this file: logging is set up once a process.
#![allow(clippy::unwrap_used)]

use holdfast_telemetry::{Config, Coordinates, TaskSpan, TaskTrace, init};
use holdfast_testkit::OtlpReceiver;
use holdfast_types::{TaskId, Timestamp};

#[tokio::test(flavor = "multi_thread")]
async fn spans_reach_a_collector_before_the_process_ends() {
    let receiver = OtlpReceiver::start().unwrap();
    let telemetry = init(&Config { otlp_endpoint: Some(receiver.endpoint()), ..Config::default() }).unwrap();
    let trace = TaskTrace::new(TaskId::new(1, [9; 10]), None);
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    let span = TaskSpan::new("task", Coordinates::Task, at, at).attribute("holdfast.task.id", "a task");
    telemetry.task_tracer().export(&trace, span);
    telemetry.shutdown().await;

    let received = receiver.trace(&trace.at(&Coordinates::Task).trace_id_text());
    assert_eq!(received.faults(), Vec::<String>::new());
    let span = received.spans().next().unwrap();
    assert_eq!((span.name.as_str(), span.service.as_str()), ("task", "holdfast"));
    assert_eq!(span.began, 1_700_000_000_000_000_000);
    assert_eq!(span.attribute("holdfast.task.id"), Some("a task"));
}
