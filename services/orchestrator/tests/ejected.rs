//! A worker that the directory has ejected is left out, unless nobody else is there.

use std::sync::Arc;

use crate::common::tools::Worker;
use crate::common::{Platform, Reply};
use holdfast_ports::{LiveWorker, Standing};
use holdfast_runtime::Ids;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{TaskOutcome, Timestamp};
use serde_json::json;

const PLAN: &str = "
holdfast: v1
name: ejected
steps:
  - { id: a, tool: look, args: { n: 1 } }
  - { id: b, tool: look, args: { n: 2 } }
output: { a: '${steps.a.result}', b: '${steps.b.result}' }
";

const EJECTED: Standing = Standing::Ejected { until: Timestamp::from_micros(i64::MAX) };

#[tokio::test]
async fn an_ejected_worker_gets_no_call_while_another_takes_them_and_all_of_them_where_nobody_does() {
    let platform = Platform::new().await;
    let other = Arc::new(Worker::default());
    let tools = Arc::clone(&other) as _;
    platform.change_workers(|workers| {
        let first = workers[0].clone();
        let info = Arc::new(WorkerInfo { id: Ids::system().worker(), ..(*first.info).clone() });
        workers.push(LiveWorker { info, tools, ..first });
        workers[0].standing = EJECTED;
    });
    other.script("look", [Reply::Give(json!("there")), Reply::Give(json!("there"))]);
    let running = platform.start().await;
    let task = running.submit(PLAN).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Succeeded, "{:?}", finished.failure);
    assert_eq!(finished.output.as_json(), Some(&json!({"a": "there", "b": "there"})));
    assert!(platform.worker.ledger().is_empty());

    // All of them are ejected: better a bad worker than none.
    platform.change_workers(|workers| {
        workers.truncate(1);
        workers[0].standing = EJECTED;
    });
    platform.worker.script("look", [Reply::Give(json!("here")), Reply::Give(json!("here"))]);
    let task = running.submit(PLAN).await;
    let finished = running.end(task).await;
    assert_eq!(finished.output.as_json(), Some(&json!({"a": "here", "b": "here"})));
    running.stop().await;
}
