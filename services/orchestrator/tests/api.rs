//! The API: what it accepts, refuses and shows, as a handle and over gRPC's types.

use std::time::Duration;

use crate::common::{Platform, Reply, chain, submission, tool, until};
use futures::StreamExt;
use holdfast_orchestrator::{ApiError, Config, HistoryQuery, Sent, SubtaskQuery, WatchItem};
use holdfast_ports::Page;
use holdfast_proto::v1;
use holdfast_proto::v1::orchestrator_service_server::OrchestratorService as _;
use holdfast_types::inbox::Message;
use holdfast_types::journal::TaskFilter;
use holdfast_types::task::StepStatus;
use holdfast_types::{SideEffect, TaskOutcome, TaskStatus};
use serde_json::json;

#[tokio::test]
async fn the_same_id_and_body_is_the_same_task_and_another_body_is_refused() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let mut one = submission(&chain(2, "put"), json!({}));
    one.task_id = Some(holdfast_runtime::Ids::system().task());
    let first = running.orchestrator.submit(one.clone()).await.unwrap();
    // Whatever became of the tools since, it is the same task.
    running.end(first.row.id).await;
    platform.change_workers(Vec::clear);
    let again = running.orchestrator.submit(one.clone()).await.unwrap();
    assert_eq!((again.created, again.row.id, &again.trace_id), (false, first.row.id, &first.trace_id));
    let mut other = submission(&chain(3, "put"), json!({}));
    other.task_id = one.task_id;
    let refused = running.orchestrator.submit(other).await.unwrap_err();
    assert!(matches!(refused, ApiError::Conflict { .. }), "{refused}");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_plan_is_told_before_anything_is_stored() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: wrong
steps:
  - { id: a, tool: loook, args: {} }
  - { id: b, tool: put, args: { x: \"${steps.zzz.result}\" } }
";
    let refused = running.orchestrator.submit(submission(plan, json!({}))).await.unwrap_err();
    let ApiError::Plan(findings) = refused else { panic!("{refused}") };
    assert_eq!(findings.list().len(), 2, "{findings}");
    let page =
        running.orchestrator.list(TaskFilter::default(), Page { size: 10, token: None }).await.unwrap();
    assert!(page.tasks.is_empty());
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_so() {
    let platform = Platform::new().await;
    let config = Config { queue_limit: 1, ..Config::default() };
    let running = platform.start_with(config, platform.deps()).await;
    platform.worker.script("put", [Reply::Hold]);
    running.submit(&chain(1, "put")).await;
    let refused = running.orchestrator.submit(submission(&chain(1, "put"), json!({}))).await.unwrap_err();
    assert!(matches!(refused, ApiError::QueueFull { limit: 1 }), "{refused}");
}

#[tokio::test]
async fn subtasks_come_in_the_plans_order_a_page_at_a_time() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: order
steps:
  - { id: z, tool: put, for_each: [1, 2, 3], args: { n: \"${item}\" } }
  - { id: a, tool: put, args: { n: \"${steps.z.summary.total}\" } }
  - { id: never, tool: put, when: \"steps.a.result.of.n > 5\", args: {} }
";
    let task = running.submit(plan).await;
    running.end(task).await;
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let query = SubtaskQuery { size: 2, token, ..SubtaskQuery::default() };
        let page = running.orchestrator.subtasks(task, query).await.unwrap();
        assert!(page.subtasks.len() <= 2);
        seen.extend(page.subtasks.into_iter().map(|subtask| {
            let name = subtask.call.map_or_else(|| subtask.step.to_string(), |call| call.to_string());
            (name, subtask.status)
        }));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    let done = StepStatus::Succeeded;
    let expected =
        [("z[0]", done), ("z[1]", done), ("z[2]", done), ("a", done), ("never", StepStatus::Skipped)];
    assert_eq!(seen, expected.map(|(name, status)| (name.to_owned(), status)));
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_left_and_ends_with_the_outcome() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let task = running.submit(&chain(5, "put")).await;
    running.end(task).await;
    let all: Vec<_> = running.orchestrator.watch(task, 0).await.unwrap().map(Result::unwrap).collect().await;
    let seqs: Vec<_> = all
        .iter()
        .filter_map(|item| match item {
            WatchItem::Event(row) => Some(row.seq),
            WatchItem::Outcome { .. } => None,
        })
        .collect();
    let last = *seqs.last().unwrap();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
    for after in [1, last - 1, last] {
        let rest: Vec<_> =
            running.orchestrator.watch(task, after).await.unwrap().map(Result::unwrap).collect().await;
        let from = usize::try_from(after).unwrap();
        assert_eq!(rest, all[from..], "after {after}");
    }
    let refused = running.orchestrator.watch(task, last + 1).await.err().unwrap();
    assert!(matches!(refused, ApiError::OutOfRange { .. }), "{refused}");
}

#[tokio::test]
async fn a_finished_task_takes_no_messages_but_a_compensation() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: later
steps:
  - { id: a, tool: book, args: { n: 1 }, undo: { tool: undo, args: { gave: \"${result.of.n}\" } } }
";
    let task = running.submit(plan).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    let send = async |message| running.orchestrator.send(task, Sent { id: None, from: None, message }).await;
    assert!(matches!(send(Message::Pause).await, Err(ApiError::Refused { .. })));
    assert_eq!(
        send(Message::Cancel { on_cancel: None, reason: String::new() }).await.unwrap(),
        TaskStatus::Finished
    );
    send(Message::Compensate { from: None, reason: String::new() }).await.unwrap();
    until(async || platform.worker.deeds() == ["a", "a~undo"]).await;
    until(async || {
        let view = running.orchestrator.get(task).await.unwrap();
        view.row.outcome == Some(TaskOutcome::Compensated)
    })
    .await;
    assert!(matches!(
        send(Message::Compensate { from: None, reason: String::new() }).await,
        Err(ApiError::Refused { .. })
    ));
}

#[tokio::test]
async fn sensitive_arguments_are_shown_to_nobody() {
    let mut pay = tool("pay", SideEffect::Unsafe);
    pay.sensitive = vec!["/card".into()];
    let platform = Platform::with_tools(vec![pay]).await;
    let running = platform.start().await;
    let plan = "
holdfast: v1
name: secret
steps:
  - { id: a, tool: pay, args: { card: \"card no. 4711\", cents: 5 } }
output: done
";
    let task = running.submit(plan).await;
    running.end(task).await;
    assert_eq!(platform.worker.ledger()[0].args["card"], "card no. 4711", "the tool gets it");
    let query =
        HistoryQuery { after_seq: 0, size: 100, kinds: vec!["submitted".into(), "attempt_started".into()] };
    let history = running.orchestrator.history(task, query).await.unwrap();
    assert_eq!(history.events.len(), 2);
    let subtasks = running
        .orchestrator
        .subtasks(task, SubtaskQuery { size: 9, ..SubtaskQuery::default() })
        .await
        .unwrap();
    let args = subtasks.subtasks[0].args.clone().unwrap();
    let shown = format!("{history:?} {args:?}");
    assert!(!shown.contains("no. 4711"), "{shown}");
    assert!(shown.contains("cents"));
}

#[tokio::test]
async fn a_task_that_kills_its_drivers_is_set_aside_until_somebody_resumes_it() {
    let platform = Platform::new().await;
    platform.worker.script("pay", [Reply::Hold]);
    let first = platform.start().await;
    let task = first.submit(&chain(1, "pay")).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;
    let mut lives = 1;
    let last = loop {
        platform.bury_former_owners().await;
        let next = platform.start().await;
        let mut quarantined = false;
        until(async || {
            let view = next.orchestrator.get(task).await.unwrap();
            quarantined = view.row.status == TaskStatus::Quarantined;
            quarantined || view.summary.report.lives > lives
        })
        .await;
        if quarantined {
            break next;
        }
        lives += 1;
        assert!(lives < 6, "it is driven again and again");
        next.crash().await;
    };
    assert_eq!(lives, 3);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(last.orchestrator.driving(), 0);
    last.orchestrator
        .send(task, Sent { id: None, from: None, message: Message::Resume { note: None } })
        .await
        .unwrap();
    last.event(task, "message_handled").await;
    platform.worker.let_go("s0", json!(1));
    assert_eq!(last.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(platform.worker.ledger().len(), 1);
}

#[tokio::test]
async fn the_wire_says_what_the_handle_says() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let service = running.orchestrator.service();
    let request = v1::SubmitTaskRequest {
        body: Some(v1::submit_task_request::Body::PlanSource(chain(2, "put"))),
        ..Default::default()
    };
    let submitted = service.submit_task(tonic::Request::new(request)).await.unwrap().into_inner();
    let id = submitted.task.unwrap().task_id;
    let task = id.parse().unwrap();
    running.end(task).await;
    let got =
        service.get_task(tonic::Request::new(v1::GetTaskRequest { task_id: id.clone() })).await.unwrap();
    let summary = got.into_inner().task.unwrap();
    assert_eq!(summary.status(), v1::TaskStatus::Finished);
    assert_eq!(summary.result.unwrap().outcome(), v1::TaskOutcome::Succeeded);
    assert_eq!(summary.trace_id.len(), 32);
    assert_eq!(summary.steps.unwrap().succeeded, 2);

    let bad = v1::SubmitTaskRequest {
        body: Some(v1::submit_task_request::Body::PlanSource(chain(1, "nope"))),
        ..Default::default()
    };
    let status = service.submit_task(tonic::Request::new(bad)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let missing = v1::GetTaskRequest { task_id: holdfast_runtime::Ids::system().task().to_string() };
    let status = service.get_task(tonic::Request::new(missing)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
    let fork = v1::ForkTaskRequest { task_id: id.clone(), from_step: "s1".into(), ..Default::default() };
    let forked = service.fork_task(tonic::Request::new(fork.clone())).await.unwrap().into_inner();
    assert!(forked.created);
    let forked = forked.task.unwrap();
    assert_eq!(forked.forked_from_task_id, id);
    let got = v1::GetTaskRequest { task_id: forked.task_id };
    let got = service.get_task(tonic::Request::new(got)).await.unwrap().into_inner().task.unwrap();
    assert_eq!((got.forked_from_task_id == id, got.forked_at_seq > 0), (true, true));
    let beyond = v1::ForkTaskRequest { at_seq: 9_999, ..fork };
    let status = service.fork_task(tonic::Request::new(beyond)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange);
    // What has finished is not restarted: the answer says what to do instead.
    let restart = v1::ResumeTaskRequest { task_id: id, from_step: "s1".into(), ..Default::default() };
    let status = service.resume_task(tonic::Request::new(restart)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(status.message().contains("holdfast fork") && status.message().contains("--from s1"), "{status}");
}
