//! Forks, over the real store (PROTOCOL 7, 20).

use std::collections::BTreeMap;

use holdfast_orchestrator::{ApiError, ForkRequest, Question, Sent, SubtaskQuery};
use holdfast_ports::Keys;
use holdfast_runtime::Ids;
use holdfast_types::inbox::{Decision, Message};
use holdfast_types::task::ResultSource;
use holdfast_types::{TaskId, TaskOutcome};
use serde_json::{Map, Value, json};

use crate::common::{Platform, Reply, Running, until};

const PLAN: &str = "
holdfast: v1
name: order
inputs:
  order: { type: string, default: o1 }
  guest: { type: string, default: ada }
steps:
  - { id: see, tool: look, args: { order: \"${inputs.order}\" } }
  - { id: charge, tool: pay, args: { of: \"${steps.see.result.of.order}\" },
      undo: { tool: undo, args: { gave: \"${result.of.of}\" } } }
  - { id: room, tool: book, args: { guest: \"${inputs.guest}\", paid: \"${steps.charge.result.of.of}\" },
      undo: { tool: undo, args: { gave: \"${result.of.guest}\" } } }
output: { paid: \"${steps.charge.result.of.of}\", guest: \"${steps.room.result.of.guest}\" }
";

fn fork_of(source: TaskId, from: &str, inputs: Value) -> ForkRequest {
    ForkRequest {
        source,
        at_seq: None,
        from_step: (!from.is_empty()).then(|| from.parse().unwrap()),
        inputs: inputs.as_object().cloned().unwrap_or_else(Map::new),
        new_task_id: None,
        labels: BTreeMap::new(),
        traceparent: None,
    }
}

/// The calls that changed something, in order.
fn deeds(platform: &Platform) -> Vec<String> {
    let changed = platform.worker.ledger().into_iter().filter(|deed| deed.tool != "look");
    changed.map(|deed| deed.call).collect()
}

async fn forked(running: &Running, request: ForkRequest) -> TaskId {
    let accepted = running.orchestrator.fork(request).await.unwrap();
    assert!(accepted.created);
    accepted.row.id
}

#[tokio::test]
async fn a_fork_goes_on_with_other_inputs_and_repeats_nothing() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let source = running.submit(PLAN).await;
    assert_eq!(running.end(source).await.outcome, TaskOutcome::Succeeded);
    let fork = forked(&running, fork_of(source, "room", json!({ "guest": "grace" }))).await;
    let finished = running.end(fork).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    assert_eq!(finished.output.as_json(), Some(&json!({ "paid": "o1", "guest": "grace" })));
    assert_eq!(deeds(&platform), ["charge", "room", "room"]);
    assert_eq!(finished.report.replays, 2);

    let view = running.orchestrator.get(fork).await.unwrap();
    let origin = view.forked_from.unwrap();
    assert_eq!((origin.task, origin.from_step), (source, Some("room".parse().unwrap())));
    let page = running.orchestrator.subtasks(fork, SubtaskQuery { size: 10, ..Default::default() }).await;
    let told: Vec<_> = page
        .unwrap()
        .subtasks
        .into_iter()
        .map(|subtask| (subtask.step.to_string(), subtask.source, subtask.recorded_by, subtask.undo))
        .collect();
    let of = |call: &str| Some(format!("{source}/{call}"));
    assert_eq!(
        told,
        [
            ("see".to_owned(), Some(ResultSource::Replay), of("see"), None),
            ("charge".to_owned(), Some(ResultSource::Replay), of("charge"), None),
            ("room".to_owned(), Some(ResultSource::Tool), None, None),
        ]
    );
    let kinds = running.kinds(fork).await;
    assert_eq!(
        &kinds[..5],
        ["submitted", "step_inherited", "call_replayed", "step_inherited", "call_replayed"]
    );
    // It drives on from its own journal, whoever drives it.
    running.stop().await;
    let running = platform.start().await;
    let again = forked(&running, fork_of(fork, "room", json!({ "guest": "joan" }))).await;
    assert_eq!(running.end(again).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(deeds(&platform), ["charge", "room", "room", "room"]);
}

#[tokio::test]
async fn an_input_that_an_inherited_step_has_read_is_refused() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let source = running.submit(PLAN).await;
    running.end(source).await;
    let refused =
        running.orchestrator.fork(fork_of(source, "room", json!({ "order": "o2" }))).await.unwrap_err();
    let ApiError::Invalid { field, why } = &refused else { panic!("{refused}") };
    assert_eq!(field, "inputs[order]");
    assert!(why.contains("'see'") && why.contains("from_step"), "{why}");
    // The same value changes nothing, a name or a type that the plan does not know is found.
    forked(&running, fork_of(source, "room", json!({ "order": "o1" }))).await;
    for wrong in [json!({ "nobody": 1 }), json!({ "guest": 7 })] {
        let refused = running.orchestrator.fork(fork_of(source, "room", wrong)).await.unwrap_err();
        assert!(matches!(refused, ApiError::Plan(_)), "{refused}");
    }
    let fork = forked(&running, fork_of(source, "see", json!({ "order": "o2" }))).await;
    let finished = running.end(fork).await;
    assert_eq!(finished.output.as_json().unwrap()["paid"], "o2");
}

#[tokio::test]
async fn the_same_fork_again_is_the_same_task_and_another_is_refused() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let source = running.submit(PLAN).await;
    running.end(source).await;
    let wanted = ForkRequest {
        new_task_id: Some(Ids::system().task()),
        ..fork_of(source, "room", json!({ "guest": "grace" }))
    };
    let first = running.orchestrator.fork(wanted.clone()).await.unwrap();
    let again = running.orchestrator.fork(wanted.clone()).await.unwrap();
    assert_eq!((first.created, again.created, again.row.id), (true, false, first.row.id));
    for other in [
        ForkRequest { inputs: Map::new(), ..wanted.clone() },
        ForkRequest { from_step: None, ..wanted.clone() },
        ForkRequest { new_task_id: Some(source), ..wanted },
    ] {
        let refused = running.orchestrator.fork(other).await.unwrap_err();
        assert!(matches!(refused, ApiError::Conflict { .. }), "{refused}");
    }
    assert_eq!(running.end(first.row.id).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(deeds(&platform), ["charge", "room", "room"]);
}

#[tokio::test]
async fn a_fork_of_a_living_task_begins_where_no_call_is_open() {
    let platform = Platform::new().await;
    platform.worker.script("book", [Reply::Hold]);
    let running = platform.start().await;
    let source = running.submit(PLAN).await;
    until(async || deeds(&platform).len() == 2).await;
    let refused = running.orchestrator.fork(fork_of(source, "", json!({}))).await.unwrap_err();
    let ApiError::Refused { why, .. } = &refused else { panic!("{refused}") };
    assert!(why.contains("room is open") && why.contains("nearest place before"), "{why}");
    let nearest: u64 = why.rsplit(' ').next().unwrap().parse().unwrap();
    let at = |seq| ForkRequest { at_seq: Some(seq), ..fork_of(source, "", json!({ "guest": "grace" })) };
    let fork = forked(&running, at(nearest)).await;
    let finished = running.end(fork).await;
    assert_eq!(finished.output.as_json(), Some(&json!({ "paid": "o1", "guest": "grace" })));
    assert_eq!(deeds(&platform), ["charge", "room", "room"]);
    let beyond = running.orchestrator.fork(at(10_000)).await.unwrap_err();
    assert!(matches!(beyond, ApiError::OutOfRange { field: "at_seq", .. }), "{beyond}");
    let nobody = fork_of(Ids::system().task(), "", json!({}));
    assert!(matches!(running.orchestrator.fork(nobody).await, Err(ApiError::NotFound { .. })));
    let nowhere = running.orchestrator.fork(fork_of(source, "nowhere", json!({}))).await.unwrap_err();
    assert!(matches!(nowhere, ApiError::Refused { .. } | ApiError::Invalid { .. }), "{nowhere}");
}

#[tokio::test]
async fn what_a_fork_relies_on_is_undone_on_a_person_s_word_only() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let source = running.submit(PLAN).await;
    running.end(source).await;
    let fork = forked(&running, fork_of(source, "room", json!({ "guest": "grace" }))).await;
    running.end(fork).await;
    let send = async |message| {
        running.orchestrator.send(source, Sent { id: None, from: None, message }).await.unwrap();
    };
    send(Message::Compensate { from: None, reason: String::new() }).await;
    until(async || deeds(&platform).len() == 4).await;
    assert_eq!(deeds(&platform)[3], "room~undo");
    let asked = async || running.orchestrator.get(source).await.unwrap().asked;
    until(async || asked().await.len() == 1).await;
    let asked = asked().await.remove(0);
    let Question::Approval { digest, why, .. } = asked.question else { panic!("{:?}", asked.question) };
    assert_eq!(asked.call.to_string(), "charge~undo");
    assert!(why.contains("1 other task"), "{why}");
    send(Message::Approve { call: asked.call, digest, decision: Decision::Approved, edited_args: None })
        .await;
    until(async || deeds(&platform).len() == 5).await;
    until(async || {
        running.orchestrator.get(source).await.unwrap().row.outcome == Some(TaskOutcome::Compensated)
    })
    .await;
    // What was undone can't be taken over any more.
    let refused = running.orchestrator.fork(fork_of(source, "room", json!({}))).await.unwrap_err();
    let ApiError::Refused { why, .. } = &refused else { panic!("{refused}") };
    assert!(why.contains("charge") && why.contains("begin with step 'charge'"), "{why}");
}

#[tokio::test]
async fn large_results_are_inherited_by_reference() {
    let platform = Platform::new().await;
    let large = "x".repeat(200_000);
    platform.worker.script("pay", [Reply::Give(json!({ "of": { "of": large } }))]);
    let running = platform.start().await;
    let plan = PLAN.replace(
        "output: { paid: \"${steps.charge.result.of.of}\"",
        "output: { paid: \"${size(steps.charge.result.of.of)}\"",
    );
    let source = running.submit(&plan).await;
    running.end(source).await;
    let fork = forked(&running, fork_of(source, "room", json!({ "guest": "grace" }))).await;
    let finished = running.end(fork).await;
    assert_eq!(finished.output.as_json(), Some(&json!({ "paid": 200_000, "guest": "grace" })));
    let replayed = running.event(fork, "call_replayed").await;
    assert!(replayed.body.len() < 10_000, "the journal refers to it");
}

#[tokio::test]
async fn a_business_key_answers_a_fork_by_replay() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = PLAN.replace("id: charge, tool: pay,", "id: charge, tool: pay, key: \"${inputs.order}\",");
    let source = running.submit(&plan).await;
    running.end(source).await;
    let fork = forked(&running, fork_of(source, "charge", json!({ "guest": "grace" }))).await;
    let finished = running.end(fork).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    assert_eq!(deeds(&platform), ["charge", "room", "room"]);
    // A fork of it inherits that answer, and is counted in the same row.
    let next = forked(&running, fork_of(fork, "room", json!({ "guest": "joan" }))).await;
    running.end(next).await;
    let charge = platform.worker.ledger().into_iter().find(|deed| deed.call == "charge").unwrap();
    let (row, _) = Keys::get(&platform.store, &charge.key).await.unwrap().unwrap();
    assert_eq!(row.answered, 2);
}
