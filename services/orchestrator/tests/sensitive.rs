//! What a tool calls sensitive is shown by no verb of the API, wherever it comes from and wherever it comes back.

use std::time::Duration;

use crate::common::{Platform, Reply, Running, tool, until, within};
use futures::StreamExt;
use holdfast_orchestrator::{Config, HistoryQuery, SubtaskQuery};
use holdfast_ports::Journal as _;
use holdfast_proto::v1;
use holdfast_proto::v1::orchestrator_service_server::OrchestratorService as _;
use holdfast_types::{SideEffect, TaskId, TaskOutcome};
use serde_json::{Value, json};

const SECRETS: [&str; 4] = ["tok-98765", "4000-1234", "5000-6789", "987654"];

async fn platform() -> Platform {
    let mut pay = tool("pay", SideEffect::Unsafe);
    pay.sensitive = vec!["/card".into(), "/token".into()];
    Platform::with_tools(vec![tool("look", SideEffect::ReadOnly), pay]).await
}

/// The first step's result is a token, which the second sends with a card of the inputs; the third sends each card.
const PLAN: &str = "
holdfast: v1
name: secret
inputs:
  card: { type: object }
  cards: { type: array }
on_failure: keep
steps:
  - { id: login, tool: look, args: { user: ann } }
  - id: pay
    tool: pay
    args: { token: \"Bearer ${steps.login.result.token}\", card: \"${inputs.card}\", cents: 5 }
  - id: each
    tool: pay
    depends_on: [pay]
    importance: OPTIONAL
    for_each: inputs.cards
    args: { card: \"${item.no}\", of: \"${item.of}\" }
";

fn inputs() -> Value {
    json!({
        "card": {"no": "4000-1234", "pin": 987_654},
        "cards": [{"no": "5000-6789", "of": "bob"}, {"no": "5000-6789", "of": "eve"}],
    })
}

/// All that the API shows of a task, over handles and over the wire's types.
async fn shown(running: &Running, task: TaskId) -> Vec<(&'static str, String)> {
    let query = HistoryQuery { after_seq: 0, size: 1_000, kinds: Vec::new() };
    let history = running.orchestrator.history(task, query).await.unwrap();
    let query = SubtaskQuery { size: 100, ..SubtaskQuery::default() };
    let subtasks = running.orchestrator.subtasks(task, query).await.unwrap();
    let view = running.orchestrator.get(task).await.unwrap();
    let service = running.orchestrator.service();
    let request = v1::GetTaskRequest { task_id: task.to_string() };
    let got = service.get_task(tonic::Request::new(request)).await.unwrap().into_inner();
    vec![
        ("history", format!("{history:?}")),
        ("subtasks", format!("{subtasks:?}")),
        ("get", format!("{view:?}")),
        ("get on the wire", format!("{got:?}")),
    ]
}

fn assert_hidden(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} shows {secret}: {text}");
    }
}

async fn assert_stored(platform: &Platform, task: TaskId) {
    let rows = platform.journal.events(task, 0, 1_000).await.unwrap();
    let stored = format!("{rows:?}");
    for secret in SECRETS {
        assert!(stored.contains(secret), "the journal lacks {secret}, and could not be resumed from");
    }
}

#[tokio::test]
async fn sensitive_values_are_shown_nowhere_although_tools_give_them_back() {
    let platform = platform().await;
    platform.worker.script("look", [Reply::Give(json!({"token": "tok-98765", "user": "ann"}))]);
    let echo = json!({"charged": "4000-1234 with pin 987654", "by": ["tok-98765"], "cents": 5});
    let complaint = Reply::Complain("card 5000-6789 is blocked".into());
    platform.worker.script("pay", [Reply::Give(echo), complaint]);
    let running = platform.start().await;
    let task = running.submit_with(PLAN, inputs()).await;
    // Followed from the start: what an event tells is hidden although the call that makes it sensitive comes later.
    let watched: Vec<_> =
        within(async { running.orchestrator.watch(task, 0).await.unwrap().collect().await }).await;
    let watched = format!("{watched:?}");
    assert!(watched.contains("DEGRADED"), "{watched}");
    assert_hidden("watch", &watched);
    let last = running.orchestrator.get(task).await.unwrap().row.last_seq;
    let end: Vec<_> = running.orchestrator.watch(task, last).await.unwrap().collect().await;
    assert_eq!(end.len(), 1);
    assert_hidden("the end", &format!("{end:?}"));
    let shown = shown(&running, task).await;
    for (what, text) in &shown {
        assert_hidden(what, text);
        assert!(text.contains("[redacted]") && text.contains("ann"), "{what}: {text}");
    }
    let args: Vec<_> = platform.worker.ledger().into_iter().map(|deed| deed.args).collect();
    assert_eq!(args[1]["token"], "Bearer tok-98765", "the tool gets it");
    assert_eq!(args[1]["card"], inputs()["card"], "the tool gets it");
    assert_stored(&platform, task).await;
}

#[tokio::test]
async fn a_task_that_fails_over_a_sensitive_value_does_not_say_it() {
    let platform = platform().await;
    platform.worker.script("look", [Reply::Give(json!({"token": "tok-98765", "user": "ann"}))]);
    let complaint = "tok-98765 may not charge {\"no\":\"4000-1234\",\"pin\":987654}";
    platform.worker.script("pay", [Reply::Complain(complaint.into())]);
    let running = platform.start().await;
    let task = running.submit_with(PLAN, inputs()).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    let failure = finished.failure.unwrap();
    assert_eq!(failure.message, "[redacted] may not charge {\"no\":\"[redacted]\",\"pin\":[redacted]}");
    for (what, text) in shown(&running, task).await {
        assert_hidden(what, &text);
    }
    assert_stored(&platform, task).await;
}

#[tokio::test]
async fn a_question_about_a_sensitive_call_does_not_say_it() {
    let platform = platform().await;
    platform.worker.script("look", [Reply::Give(json!({"token": "tok-98765", "user": "ann"}))]);
    platform.worker.script("pay", [Reply::Vanish]);
    let config = Config { begin_within: Duration::from_millis(100), ..Config::default() };
    let running = platform.start_with(config, platform.deps()).await;
    let plan = PLAN.replace("cents: 5 }", "cents: 5 }\n    attempt_timeout: 10ms");
    let task = running.submit_with(&plan, inputs()).await;
    until(async || platform.worker.ledger().len() == 2).await;
    // The worker is gone for good: nobody can say what became of the call.
    platform.change_workers(Vec::clear);
    running.event(task, "question_asked").await;
    let view = running.orchestrator.get(task).await.unwrap();
    assert_eq!(view.asked.len(), 1);
    assert!(format!("{:?}", view.asked).contains("cents"), "what is not sensitive is shown");
    for (what, text) in shown(&running, task).await {
        assert_hidden(what, &text);
    }
}

#[tokio::test]
async fn a_sensitive_value_that_breaks_the_schema_is_not_quoted() {
    let mut pay = tool("pay", SideEffect::Unsafe);
    pay.sensitive = vec!["/card".into()];
    pay.input_schema = json!({"type": "object", "properties": {"card": {"enum": ["visa", "none"]}}});
    let platform = Platform::with_tools(vec![pay]).await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: broken
inputs: { cards: { type: string } }
steps:
  - { id: a, tool: pay, args: { card: \"${inputs.cards.split('/')[1]}\" } }
";
    let task = running.submit_with(plan, json!({"cards": "first/4000-1234"})).await;
    let failure = running.end(task).await.failure.unwrap();
    assert!(failure.message.contains("args.card"), "{failure}");
    for (what, text) in shown(&running, task).await {
        assert_hidden(what, &text);
    }
}
