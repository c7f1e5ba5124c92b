//! Tasks driven from submission to their end, over the real store.

use std::sync::Arc;

use crate::common::{Platform, Reply, Worker, chain, until};
use holdfast_orchestrator::{Question, Sent};
use holdfast_ports::LiveWorker;
use holdfast_runtime::Ids;
use holdfast_types::inbox::{Decision, Message};
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Class, TaskOutcome};
use serde_json::json;

#[tokio::test]
async fn a_chain_costs_about_one_append_a_step() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let task = running.submit(&chain(40, "pay")).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.ledger().len(), 40);
    assert!(platform.appends() <= 44, "{} appends for 40 steps", platform.appends());
    assert!(platform.appends() >= 40, "no intent was acted on before it was durable");
    running.stop().await;
}

#[tokio::test]
async fn a_fan_out_keeps_the_order_of_its_list() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: fan
inputs: { items: { type: array } }
steps:
  - id: all
    tool: put
    for_each: inputs.items
    args: { item: \"${item}\", index: \"${index}\" }
output:
  items: ${steps.all.result.map(r, r.of.item)}
  total: ${steps.all.summary.succeeded}
";
    let items: Vec<u32> = (0..100).collect();
    let task = running.submit_with(plan, json!({ "items": items })).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    assert_eq!(finished.output.as_json(), Some(&json!({ "items": items, "total": 100 })));
    assert_eq!(platform.worker.ledger().len(), 100);
}

#[tokio::test]
async fn a_failure_in_passing_is_tried_again_and_told() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Refuse(Class::Transient), Reply::Refuse(Class::Transient)]);
    let running = platform.start().await;
    let task = running.submit(&chain(1, "pay")).await;
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.retries), (TaskOutcome::Succeeded, 2));
    assert_eq!(platform.worker.ledger().len(), 1);
}

#[tokio::test]
async fn a_fallback_stands_in_and_the_outcome_says_so() {
    let platform = Platform::new().await;
    platform.worker.script("book", [Reply::Break]);
    platform.worker.script("put", [Reply::Break]);
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: fallback
steps:
  - id: hotel
    tool: book
    args: { city: LIS }
    importance: DEGRADABLE
    fallback:
      - { tool: put, args: { why: \"${failure.reason}\" } }
      - value: { by: hand }
output: ${steps.hotel}
";
    let task = running.submit(plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Degraded);
    let output = finished.output.as_json().unwrap();
    assert_eq!((&output["result"], &output["source"]), (&json!({"by": "hand"}), &json!("VALUE")));
    assert_eq!(platform.worker.deeds(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failed_task_undoes_its_deeds_in_reverse_order() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Break]);
    let running = platform.start().await;
    let undo = "undo: { tool: undo, args: { was: \"${args.n}\", gave: \"${result.of.n}\" } }";
    let plan = format!(
        "
holdfast: v1
name: undo
steps:
  - {{ id: a, tool: book, args: {{ n: 1 }}, {undo} }}
  - {{ id: b, tool: book, args: {{ n: 2 }}, depends_on: [a], {undo} }}
  - {{ id: c, tool: pay, args: {{ n: 3 }}, depends_on: [b] }}
"
    );
    let task = running.submit(&plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Compensated, "{:?}", finished.failure);
    assert_eq!(platform.worker.deeds(), ["a", "b", "b~undo", "a~undo"]);
    let undos: Vec<_> = platform.worker.ledger().into_iter().filter(|deed| deed.tool == "undo").collect();
    assert_eq!(undos[0].args, json!({"was": 2, "gave": 2}));
}

#[tokio::test]
async fn a_deed_that_another_task_was_answered_from_is_undone_on_a_person_s_word_only() {
    for (decision, undos) in [(Decision::Approved, 1), (Decision::Rejected, 0)] {
        let platform = Platform::new().await;
        platform.worker.script("put", [Reply::Hold]);
        let running = platform.start().await;
        let charge = "
holdfast: v1
name: shared
steps:
  - { id: charge, tool: pay, key: order-7, args: {}, undo: { tool: undo, args: {} } }
";
        let after = "  - { id: after, tool: put, args: {}, depends_on: [charge] }\n";
        let task = running.submit(&format!("{charge}{after}")).await;
        until(async || platform.worker.deeds().len() == 2).await;
        let other = running.submit(charge).await;
        assert_eq!(running.end(other).await.report.replays, 1);
        let send = async |message| {
            running.orchestrator.send(task, Sent { id: None, from: None, message }).await.unwrap();
        };
        send(Message::Cancel { on_cancel: None, reason: "changed my mind".into() }).await;
        running.event(task, "question_asked").await;
        assert_eq!(platform.worker.deeds(), ["charge", "after"]);
        let asked = running.orchestrator.get(task).await.unwrap().asked.remove(0);
        let Question::Approval { digest, .. } = asked.question else { panic!("{asked:?}") };
        send(Message::Approve { call: asked.call, digest, decision, edited_args: None }).await;
        let report = running.end(task).await.report;
        assert_eq!((report.undone.len(), report.stands.len()), (undos, 1 - undos), "{report:?}");
        let done = platform.worker.deeds().iter().filter(|call| *call == "charge~undo").count();
        assert_eq!(done, undos);
    }
}

#[tokio::test]
async fn an_expression_that_fails_names_its_place() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: bad
on_failure: keep
steps:
  - { id: a, tool: look, args: { n: 1 } }
  - id: b
    tool: put
    args:
      x: ${steps.a.result.missing.field}
";
    let task = running.submit(plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    let failure = finished.failure.unwrap();
    assert_eq!(failure.reason.as_str(), "BAD_REFERENCE");
    assert!(failure.message.contains("plan.yaml:10:"), "{}", failure.message);
}

#[tokio::test]
async fn a_large_result_goes_through_the_blob_table() {
    let platform = Platform::new().await;
    let large = "x".repeat(200_000);
    platform.worker.script("look", [Reply::Give(json!({ "text": large }))]);
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: large
steps:
  - { id: a, tool: look, args: {} }
  - { id: b, tool: put, args: { size: \"${size(steps.a.result.text)}\", all: \"${steps.a.result}\" } }
output: ${steps.b.result.of.size}
";
    let task = running.submit(plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.output.as_json(), Some(&json!(200_000)), "{:?}", finished.failure);
    let history = running.orchestrator.history(task, crate::common::all()).await.unwrap();
    let longest = history.events.iter().map(|row| row.body.len()).max().unwrap();
    assert!(longest < 70_000, "{longest} bytes in one event");
}

/// DESIGN section 1: the loss of a worker replica costs its calls another worker, no more. A dead one is the least loaded
/// of all: its places are free as soon as they are taken.
#[tokio::test]
async fn a_dead_worker_replica_draws_few_calls_and_spends_nobody_s_budget() {
    const WIDTH: usize = 200;
    const SLOTS: usize = 25;
    let platform = Platform::new().await;
    let dead = Arc::new(Worker::default());
    dead.die();
    platform.change_workers(|workers| {
        let living = workers[0].clone();
        let info = Arc::new(WorkerInfo { id: Ids::system().worker(), ..(*living.info).clone() });
        workers.push(LiveWorker { info, tools: Arc::clone(&dead) as _, ..living });
    });
    let running = platform.start().await;
    let items: Vec<String> = (0..WIDTH).map(|item| item.to_string()).collect();
    let plan = format!(
        "holdfast: v1\nname: fan\nsteps:\n  - {{ id: all, tool: pay, for_each: [{}], args: {{ index: \"${{item}}\" }} }}\n",
        items.join(", ")
    );
    let task = running.submit(&plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    assert_eq!(platform.worker.ledger().len(), WIDTH);
    // Those that were on their way when the first dial failed; after that it is left alone, but for a try now and then.
    assert!((1..=2 * SLOTS).contains(&dead.dials()), "{} dials", dead.dials());
    running.stop().await;
}
