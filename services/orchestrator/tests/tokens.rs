//! The fencing token of a claimed key goes to the tool, and grows from task to task and from life to life (PROTOCOL 5).

use crate::common::{Platform, Reply, until};
use holdfast_types::{Class, TaskOutcome};
use serde_json::json;

const CHARGE: &str = "
holdfast: v1
name: keyed
steps:
  - { id: charge, tool: pay, key: order-7, args: {}, undo: { tool: undo, args: {} } }
";

#[tokio::test]
async fn tasks_with_one_key_show_the_tool_growing_tokens() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    // The first is refused, tries again, and ends without an effect: the key is free.
    platform.worker.script("pay", [Reply::Refuse(Class::Transient), Reply::Break]);
    let first = running.submit(CHARGE).await;
    assert_eq!(running.end(first).await.outcome, TaskOutcome::Failed);
    // The second pays, and takes it back: the next generation is free.
    platform.worker.script("put", [Reply::Break]);
    let after = "  - { id: after, tool: put, args: {}, depends_on: [charge] }\n";
    let second = running.submit(&format!("{CHARGE}{after}")).await;
    assert_eq!(running.end(second).await.outcome, TaskOutcome::Compensated);
    let third = running.submit(CHARGE).await;
    assert_eq!(running.end(third).await.outcome, TaskOutcome::Succeeded);

    let tokens = platform.worker.tokens("charge");
    assert_eq!(tokens.len(), 4, "{tokens:?}");
    // No epoch: of three tasks in their first life that is 1 each time.
    assert!(tokens.is_sorted_by(|a, b| a < b) && tokens[0] > 1, "{tokens:?}");
}

#[tokio::test]
async fn the_next_life_of_a_task_has_a_higher_token() {
    let platform = Platform::new().await;
    let first = platform.start().await;
    // The worker knows nothing of it any more: the next life repeats it.
    platform.worker.script("put", [Reply::Hang, Reply::Give(json!(1))]);
    let plan = "holdfast: v1\nname: one\nsteps:\n  - { id: a, tool: put, args: {} }\n";
    let task = first.submit(plan).await;
    until(async || platform.worker.ledger().len() == 1).await;
    first.crash().await;
    platform.bury_former_owners().await;
    platform.worker.restart();
    let second = platform.start().await;
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    let tokens = platform.worker.tokens("a");
    assert!(tokens.len() == 2 && tokens[0] < tokens[1], "{tokens:?}");
}

#[tokio::test]
async fn a_read_has_its_epoch() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let task =
        running.submit("holdfast: v1\nname: read\nsteps:\n  - { id: a, tool: look, args: {} }\n").await;
    running.end(task).await;
    assert_eq!(platform.worker.tokens("a"), [1]);
}
