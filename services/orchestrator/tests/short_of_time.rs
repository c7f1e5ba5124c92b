//! Less time is left than a call usually takes: it is not begun.

use std::time::Duration;

use crate::common::{Platform, Reply};
use holdfast_types::{Class, Effect, Reason, TaskOutcome};
use serde_json::json;

#[tokio::test]
async fn what_usually_takes_longer_than_is_left_is_not_begun() {
    let platform = Platform::new().await;
    let running = platform.start().await;
    let steps = (0..12).map(|n| format!("  - {{ id: s{n}, tool: look, args: {{ n: {n} }} }}\n"));
    let plan = format!("holdfast: v1\nname: usual\nsteps:\n{}", steps.collect::<String>());
    platform.worker.script("look", vec![Reply::Hold; 12]);
    let usual = running.submit(&plan).await;
    crate::common::until(async || platform.worker.ledger().len() == 12).await;
    // All of them take at least this long.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    for n in 0..12 {
        platform.worker.let_go(&format!("s{n}"), json!(n));
    }
    assert_eq!(running.end(usual).await.outcome, TaskOutcome::Succeeded);

    let hurried = "holdfast: v1\nname: hurried\nsteps:\n  - { id: s, tool: look, args: {}, timeout: 1s }\n";
    let finished = running.end(running.submit(hurried).await).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    let failure = finished.failure.unwrap();
    assert_eq!((failure.class, failure.reason), (Class::Deadline, Reason::StepTimeout));
    assert_eq!((failure.effect, failure.attempts), (Effect::NotExecuted, 0));
    assert!(failure.message.contains("calls of look usually take 1s"), "{}", failure.message);
    assert_eq!(platform.worker.ledger().len(), 12, "nothing was sent");
    // Another tool, of which nothing is known, and one with time enough are begun.
    let other = hurried.replace("tool: look", "tool: put");
    assert_eq!(running.end(running.submit(&other).await).await.outcome, TaskOutcome::Succeeded);
    let patient = hurried.replace("timeout: 1s", "timeout: 30s");
    assert_eq!(running.end(running.submit(&patient).await).await.outcome, TaskOutcome::Succeeded);
    running.stop().await;
}
