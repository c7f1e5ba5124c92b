//! What a finished task did is undone on command, over the real store (PROTOCOL 14).

use holdfast_orchestrator::{ApiError, Sent};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::{Payload, TaskId, TaskOutcome};
use serde_json::json;

use crate::common::{Platform, Reply, Running, until};

const PLAN: &str = "
holdfast: v1
name: order
steps:
  - { id: flight, tool: book, args: { n: 1 }, undo: { tool: undo, args: { gave: \"${result.of.n}\" } } }
  - { id: room, tool: book, args: { n: 2, after: \"${steps.flight.result.of.n}\" },
      undo: { tool: undo, args: { gave: \"${result.of.n}\" } } }
";

async fn send(running: &Running, task: TaskId, message: Message) -> Result<(), ApiError> {
    running.orchestrator.send(task, Sent { id: None, from: None, message }).await.map(drop)
}

fn compensate(from: Option<&str>) -> Message {
    Message::Compensate { from: from.map(|step| step.parse().unwrap()), reason: "wrong day".to_owned() }
}

async fn outcome(running: &Running, task: TaskId, wanted: TaskOutcome) {
    until(async || running.orchestrator.get(task).await.unwrap().row.outcome == Some(wanted)).await;
}

#[tokio::test]
async fn a_part_is_undone_and_then_the_rest() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let task = running.submit(PLAN).await;
    running.end(task).await;
    let refused = send(&running, task, compensate(Some("nowhere"))).await.unwrap_err();
    assert!(matches!(&refused, ApiError::Refused { why, .. } if why.contains("nowhere")), "{refused}");
    send(&running, task, compensate(Some("room"))).await.unwrap();
    outcome(&running, task, TaskOutcome::Compensated).await;
    assert_eq!(platform.worker.deeds(), ["flight", "room", "room~undo"]);
    let report = running.orchestrator.get(task).await.unwrap().summary.report;
    assert_eq!((report.undone.len(), report.stands.len()), (1, 1));
    assert!(report.stands[0].why.contains("'room'"), "{:?}", report.stands);
    send(&running, task, compensate(None)).await.unwrap();
    until(async || platform.worker.deeds().len() == 4).await;
    assert_eq!(platform.worker.deeds()[3], "flight~undo");
    until(async || {
        let view = running.orchestrator.get(task).await.unwrap();
        view.row.outcome.is_some() && view.summary.report.undone.len() == 2
    })
    .await;
    let refused = send(&running, task, compensate(None)).await.unwrap_err();
    assert!(refused.to_string().contains("nothing left to undo"), "{refused}");
}

#[tokio::test]
async fn an_undo_that_failed_is_tried_again_or_done_by_hand() {
    let platform = Platform::new().await;
    platform.worker.script("undo", [Reply::Break, Reply::Break]);
    let running = platform.start().await;
    let task = running.submit(PLAN).await;
    running.end(task).await;
    send(&running, task, compensate(None)).await.unwrap();
    outcome(&running, task, TaskOutcome::CompensationFailed).await;
    let report = running.orchestrator.get(task).await.unwrap().summary.report;
    assert!(report.undone.is_empty());
    let stands: Vec<_> = report.stands.iter().map(|standing| standing.call.to_string()).collect();
    assert_eq!(stands, ["flight", "room"]);
    let failed = report.stands[0].undo.clone().unwrap();
    assert_eq!((failed.call.to_string(), failed.attempts), ("flight~undo".to_owned(), 1));
    assert!(report.stands[0].key.is_some() && report.stands[0].tool.is_some());

    // A person has cancelled the flight, and says so; that it was not done is no news.
    let word = |resolution| Message::ResolveOutcome {
        call: "flight~undo".parse().unwrap(),
        resolution,
        reason: "called the airline".to_owned(),
    };
    let refused = send(&running, task, word(Resolution::DidNotHappen)).await.unwrap_err();
    assert!(refused.to_string().contains("by hand"), "{refused}");
    let happened = || Resolution::Happened { result: Payload::Json(json!({ "by": "phone" })) };
    send(&running, task, word(happened())).await.unwrap();
    until(async || {
        let view = running.orchestrator.get(task).await.unwrap();
        view.row.outcome.is_some() && view.summary.report.undone.len() == 1
    })
    .await;
    let view = running.orchestrator.get(task).await.unwrap();
    assert_eq!(view.row.outcome, Some(TaskOutcome::CompensationFailed));
    assert_eq!(platform.worker.deeds(), ["flight", "room"], "nothing else was tried with it");

    // The other one is tried again, and this time it goes well.
    send(&running, task, compensate(None)).await.unwrap();
    outcome(&running, task, TaskOutcome::Compensated).await;
    assert_eq!(platform.worker.deeds(), ["flight", "room", "room~undo"]);
    let refused = send(&running, task, word(happened())).await.unwrap_err();
    assert!(matches!(refused, ApiError::Refused { .. }), "{refused}");
}
