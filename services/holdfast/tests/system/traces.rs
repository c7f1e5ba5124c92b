//! One trace a task, as a real receiver of OTLP gets it from real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;

use holdfast_testkit::{OtlpReceiver, ReceivedSpan, Side, Trace};
use serde_json::Value;

use crate::binary::{GUARD, lines, output, stderr};
use crate::cluster::{Cluster, Role};
use crate::plans;
use crate::scene::{Scene, let_pass, wait_until};

const STEPS: usize = 24;
const WIDTH: usize = 100;

/// Who takes part in each step of a chain.
const SERVICES: [&str; 4] =
    ["holdfast-orchestrator", "holdfast-worker", "holdfast-checkpoint", "holdfast-idempotency"];

const EXECUTE: &str = "holdfast.v1.WorkerService/Execute";

fn endpoint(receiver: &OtlpReceiver) -> (&'static str, String) {
    ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
}

fn spread(receiver: &OtlpReceiver, plan: impl FnOnce(&std::path::Path) -> String) -> Cluster {
    // Spans go out many times before a victim is struck.
    let soon = ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned());
    Cluster::start_with(vec![endpoint(receiver), soon], plan)
}

/// What the command line says of a task's trace.
fn told(scene: &Scene, server: &str, task: &str) -> Value {
    let trace = output(scene.holdfast().args(["trace", task, "--json", "--server", server]));
    assert!(trace.status.success(), "{}", stderr(&trace));
    lines(&trace).remove(0)
}

/// Whether the workers live to tell their side of each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workers {
    Alive,
    /// One was killed, and took the last second of its own spans with it: they are leaves.
    Killed,
}

/// Waits for the whole trace of a task that has ended: all that its journal tells of, and the workers' sides of it.
fn whole(receiver: &OtlpReceiver, told: &Value, workers: Workers) -> Trace {
    let id = told["trace_id"].as_str().unwrap();
    let spans = told["spans"].as_array().unwrap();
    wait_until("the whole trace", GUARD, || {
        let trace = receiver.trace(id);
        let requests: BTreeSet<&str> =
            trace.named(EXECUTE).filter_map(|request| request.parent_id.as_deref()).collect();
        spans.iter().all(|span| {
            let id = span["span_id"].as_str().unwrap();
            let succeeded = span["name"] == "attempt" && span["error"].is_null();
            trace.span(id).is_some() && (workers == Workers::Killed || !succeeded || requests.contains(id))
        })
    });
    receiver.trace(id)
}

/// The tree that was received is the one that the journal tells of, span by span, and whole.
fn assert_is_told(trace: &Trace, told: &Value) {
    assert_eq!(trace.faults(), Vec::<String>::new());
    for span in told["spans"].as_array().unwrap() {
        let received = trace.span(span["span_id"].as_str().unwrap()).unwrap();
        assert_eq!(received.name, span["name"].as_str().unwrap());
        assert_eq!(received.parent_id.as_deref(), span["parent_id"].as_str());
        let took = (received.ended - received.began) / 1_000;
        assert_eq!(Some(took.to_string().as_str()), span["duration_us"].as_str(), "{received:?}");
        assert_eq!(received.attribute("error.type"), span["error"].as_str(), "{received:?}");
    }
    // Beyond the journal there are only the two sides of calls, each under a place that the journal knows.
    let places: BTreeSet<&str> =
        told["spans"].as_array().unwrap().iter().filter_map(|span| span["span_id"].as_str()).collect();
    for span in trace.spans().filter(|span| !places.contains(span.span_id.as_str())) {
        assert_eq!(span.attribute("rpc.system.name"), Some("grpc"), "{span:?}");
        assert_eq!(span.attribute("rpc.method"), Some(span.name.as_str()));
        assert!(places.contains(span.parent_id.as_deref().unwrap()), "{span:?}");
        assert!(span.side != Side::Internal, "{span:?}");
    }
}

/// Every request that a worker got hangs under the attempt for which it was sent.
fn assert_workers_hang_under_attempts(trace: &Trace) {
    for request in trace.named(EXECUTE) {
        assert_eq!((request.side, request.service.as_str()), (Side::Server, "holdfast-worker"));
        assert_eq!(trace.parent(request).map(|parent| parent.name.as_str()), Some("attempt"));
    }
}

/// Each life is linked to the one before; returns how each ended, in their order.
fn lives(trace: &Trace) -> Vec<&str> {
    let mut lives: Vec<&ReceivedSpan> = trace.named("life").collect();
    lives.sort_by_key(|life| life.began);
    assert!(lives[0].links.is_empty());
    for (before, after) in lives.iter().zip(&lives[1..]) {
        assert_eq!(after.links, std::slice::from_ref(&before.span_id));
        assert!(before.ended <= after.began);
    }
    lives.iter().map(|life| life.attribute("holdfast.ended").unwrap()).collect()
}

fn the<'a>(trace: &'a Trace, name: &'a str) -> &'a ReceivedSpan {
    let mut named = trace.spans().filter(|span| span.name == name);
    let span = named.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(named.next().is_none(), "more than one {name}");
    span
}

#[test]
fn a_takeover_leaves_no_orphan_and_no_gap_between_services() {
    let receiver = OtlpReceiver::start().unwrap();
    let mut cluster = spread(&receiver, |ledger| plans::chain(ledger, STEPS));
    for victim in [Role::Orchestrator, Role::Worker, Role::Checkpoint, Role::Idempotency] {
        // An idempotency service that did not answer is left alone for 5 s: a whole task fits into that.
        let_pass(Duration::from_secs(6));
        let task = cluster.submit(0);
        cluster.until_effects(&task, STEPS / 2);
        // What it has not sent by then is gone with the victim, and its successor may be asked for nothing.
        let (_, id) = task.split_once('_').unwrap();
        wait_until("spans of every service", GUARD, || {
            let trace = receiver.trace(id);
            SERVICES.iter().all(|service| trace.services().contains(service))
        });
        cluster.kill(victim, 0);
        cluster.start_again(victim, 0);
        assert!(cluster.outcome(&task).ends_with("SUCCEEDED"), "{}", cluster.logged());

        let told = told(&cluster.scene, &cluster.any_server(), &task);
        let workers = if victim == Role::Worker { Workers::Killed } else { Workers::Alive };
        let trace = whole(&receiver, &told, workers);
        assert_is_told(&trace, &told);
        assert_workers_hang_under_attempts(&trace);
        assert_eq!(trace.named("execute_tool chain_step").count(), STEPS);
        assert_eq!(trace.named("step s").count(), STEPS);
        let root = the(&trace, "invoke_workflow chain");
        assert!(root.parent_id.is_none() && root.began == root.ended && !root.is_error);
        let finish = the(&trace, "finish");
        assert_eq!(finish.parent_id.as_deref(), Some(root.span_id.as_str()));
        for service in SERVICES {
            assert!(trace.services().contains(service), "{service}");
        }
        assert!(
            trace.named("holdfast.v1.CheckpointService/Append").any(|append| append.side == Side::Server)
        );
        if victim == Role::Orchestrator {
            let lives = lives(&trace);
            assert_eq!((lives.first(), lives.last()), (Some(&"crash"), Some(&"finished")));
            assert_eq!(finish.attribute("holdfast.interesting"), Some("resumed"));
            assert_eq!(finish.attribute("holdfast.lives"), Some(lives.len().to_string().as_str()));
        }
    }
}

#[test]
fn a_hundred_calls_at_once_over_a_crash_are_one_tree() {
    let receiver = OtlpReceiver::start().unwrap();
    let mut cluster = spread(&receiver, |ledger| plans::fan(ledger, WIDTH));
    let task = cluster.submit(0);
    cluster.until_effects(&task, WIDTH / 2);
    cluster.kill(Role::Orchestrator, 0);
    cluster.start_again(Role::Orchestrator, 0);
    assert!(cluster.outcome(&task).ends_with("SUCCEEDED"), "{}", cluster.logged());

    let told = told(&cluster.scene, &cluster.any_server(), &task);
    let trace = whole(&receiver, &told, Workers::Alive);
    assert_is_told(&trace, &told);
    assert_workers_hang_under_attempts(&trace);
    let lives = lives(&trace);
    assert_eq!((lives.first(), lives.last()), (Some(&"crash"), Some(&"finished")));
    let step = the(&trace, "step items");
    let calls: Vec<&ReceivedSpan> = trace.named("execute_tool fan_item").collect();
    assert_eq!(calls.len(), WIDTH);
    assert!(calls.iter().all(|call| call.parent_id.as_ref() == Some(&step.span_id)));
    let items: BTreeSet<&str> =
        calls.iter().filter_map(|call| call.attribute("gen_ai.tool.call.id")).collect();
    assert_eq!(items.len(), WIDTH);
    let tried: BTreeSet<&str> = trace.named("attempt").filter_map(|of| of.parent_id.as_deref()).collect();
    assert_eq!(tried.len(), WIDTH, "each call was tried");
}

#[test]
fn a_failed_attempt_marks_its_own_span_and_nothing_above_it() {
    let receiver = OtlpReceiver::start().unwrap();
    // The example's first charge fails in passing.
    let scene = Scene::new(plans::trip);
    let dev = {
        let (name, value) = endpoint(&receiver);
        scene.dev_with(name, &value)
    };
    let server = dev.server();
    let submitted = output(scene.holdfast().args(["submit", "plan.yaml", "--json", "--server", &server]));
    let task = lines(&submitted)[0]["task"]["task_id"].as_str().unwrap().to_owned();
    let watched = output(scene.holdfast().args(["watch", &task, "--json", "--server", &server]));
    assert_eq!(lines(&watched).last().unwrap()["outcome"], "TASK_OUTCOME_SUCCEEDED");

    let told = told(&scene, &server, &task);
    let trace = whole(&receiver, &told, Workers::Alive);
    assert_is_told(&trace, &told);
    let errors: Vec<&ReceivedSpan> = trace.spans().filter(|span| span.is_error).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].name, "attempt");
    assert!(errors[0].attribute("error.type").is_some());
    let charge = trace.parent(errors[0]).unwrap();
    assert_eq!(charge.name, "execute_tool charge_card");
    assert_eq!(charge.attribute("error.type"), None);
    assert_eq!(charge.attribute("holdfast.retries"), Some("1"));
    assert_eq!(the(&trace, "wait backoff").parent_id.as_ref(), Some(&charge.span_id));
    assert_eq!(the(&trace, "finish").attribute("holdfast.interesting"), Some("retried"));
    assert_tells_nothing(&trace, &scene, &task);
}

/// No key, no argument and no result stands in a span.
fn assert_tells_nothing(trace: &Trace, scene: &Scene, task: &str) {
    let effects = scene.effects();
    assert!(effects.iter().any(|effect| effect.task == task));
    let allowed = [
        "error.type",
        "gen_ai.agent.name",
        "gen_ai.operation.name",
        "gen_ai.tool.call.id",
        "gen_ai.tool.name",
        "holdfast.attempt",
        "holdfast.class",
        "holdfast.effect",
        "holdfast.ended",
        "holdfast.epoch",
        "holdfast.interesting",
        "holdfast.lives",
        "holdfast.namespace",
        "holdfast.replayed",
        "holdfast.retries",
        "holdfast.step.id",
        "holdfast.task.id",
        "holdfast.waits_for",
        "holdfast.worker.id",
        "rpc.method",
        "rpc.response.status_code",
        "rpc.system.name",
        "server.address",
        "server.port",
    ];
    for span in trace.spans() {
        for (name, value) in &span.attributes {
            assert!(allowed.contains(&name.as_str()), "{name} = {value}");
            assert!(effects.iter().all(|effect| !value.contains(&effect.key)), "{name} = {value}");
        }
    }
}

#[test]
fn a_trace_that_is_not_sampled_is_not_exported() {
    let receiver = OtlpReceiver::start().unwrap();
    let scene = Scene::new(plans::trip);
    let (name, value) = endpoint(&receiver);
    let mut quiet = scene.run();
    let ended = output(quiet.env(name, &value).env("OTEL_TRACES_SAMPLER", "always_off"));
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    assert_eq!(receiver.received(), []);
}

#[test]
fn a_collector_that_is_gone_or_says_nothing_fails_no_task() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Takes connections, and never answers.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    for collector in [nobody, mute.local_addr().unwrap()] {
        let scene = Scene::new(plans::trip);
        let mut run = scene.run();
        run.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
        // So that metrics and spans go out many times before the end.
        run.env("OTEL_METRIC_EXPORT_INTERVAL", "100").env("OTEL_BSP_SCHEDULE_DELAY", "100");
        let ended = output(&mut run);
        assert_eq!(ended.status.code(), Some(0), "{collector}: {}", stderr(&ended));
        let by_tool: BTreeMap<_, _> = scene.effects_by_task();
        assert!(by_tool.values().all(|count| *count == 1), "{by_tool:?}");
    }
}
