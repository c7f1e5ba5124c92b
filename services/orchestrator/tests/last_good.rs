//! `last_good`: a recorded result stands in, whichever replica recorded it.

use crate::common::{Platform, Reply};
use holdfast_orchestrator::SubtaskQuery;
use holdfast_types::TaskOutcome;
use holdfast_types::task::ResultSource;
use serde_json::json;

fn plan(city: &str) -> String {
    format!(
        "
holdfast: v1
name: weather
steps:
  - id: weather
    tool: look
    args: {{ city: {city} }}
    importance: DEGRADABLE
    retry: none
    fallback: [{{ last_good: 1h }}]
output: {{ text: '${{steps.weather.result.text}}', source: '${{steps.weather.source}}', at: '${{steps.weather.recorded_at}}' }}
"
    )
}

#[tokio::test]
async fn a_result_of_an_earlier_replica_stands_in_and_says_when_it_was_recorded() {
    let platform = Platform::new().await;
    // Large: it stands in the blob table, and both tasks refer to it.
    let text = "sun ".repeat(50_000);
    platform.worker.script("look", [Reply::Give(json!({ "text": text })), Reply::Break, Reply::Break]);
    let running = platform.start().await;
    let first = running.submit(&plan("LIS")).await;
    let finished = running.end(first).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    running.stop().await;

    let running = platform.start().await;
    let second = running.submit(&plan("LIS")).await;
    let finished = running.end(second).await;
    assert_eq!(finished.outcome, TaskOutcome::Degraded, "{:?}", finished.failure);
    let query = SubtaskQuery { step: None, statuses: Vec::new(), size: 10, token: None };
    let page = running.orchestrator.subtasks(second, query).await.unwrap();
    let stood = page.subtasks.into_iter().find(|subtask| subtask.recorded_at.is_some()).unwrap();
    assert_eq!(stood.source, Some(ResultSource::LastGood));
    let recorded = running.event(first, "attempt_ended").await.at;
    assert_eq!(stood.recorded_at, Some(recorded));
    let stood_in = running.event(second, "stood_in").await.body;
    assert!(stood_in.contains(&first.to_string()) && stood_in.len() < 2_000, "{}", stood_in.len());

    // Other arguments, other result: there is none.
    let third = running.submit(&plan("BER")).await;
    assert_eq!(running.end(third).await.outcome, TaskOutcome::Failed);
    running.stop().await;
}

#[tokio::test]
async fn a_plan_without_it_records_nothing_and_one_for_a_call_with_effects_is_refused() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let task = running
        .submit("holdfast: v1\nname: p\nsteps:\n  - { id: a, tool: look, args: { city: LIS } }\n")
        .await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    platform.worker.script("look", [Reply::Break]);
    let task = running.submit(&plan("LIS")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Failed);
    let refused = crate::common::submission(&plan("LIS").replace("look", "put"), json!({}));
    let error = running.orchestrator.submit(refused).await.unwrap_err();
    assert!(format!("{error:?}").contains("only a READ_ONLY call has a last good result"), "{error:?}");
    running.stop().await;
}
