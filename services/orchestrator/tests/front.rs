//! `Begin` beside the append: every row of PROTOCOL 13's table, and a service that is dead, slow, silent or wrong.

use std::sync::Arc;
use std::time::Duration;

use crate::common::faults::LossyJournal;
use crate::common::front::{Say, gone};
use crate::common::front_world::*;
use crate::common::{Reply, chain, until};
use holdfast_orchestrator::{Config, Deps};
use holdfast_ports::{BeginAnswer, Keys};
use holdfast_types::key::{Holder, KeyState};
use holdfast_types::{Class, Effect, Failure, Reason, TaskOutcome, Timestamp};
use serde_json::json;

#[tokio::test]
async fn row_1_ok_and_acquired_sends() {
    let world = World::new().await;
    let running = world.start().await;
    let task = running.submit(&chain(3, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent(), ["s0", "s1", "s2"]);
    assert_eq!(world.front.count(), 3, "one an attempt");
    let begin = world.front.begun(1);
    assert_eq!(begin.holder, Holder::Call { task, call: "s1".parse().unwrap() });
    assert_eq!((begin.epoch, begin.fingerprint.len()), (1, 64));
    assert_eq!(begin.key.as_str(), format!("default/pay/{task}/s1"));
    assert_eq!(world.index.count(), 0, "the claim in the append is all that the index is asked");
    assert_eq!(world.front.released(), []);
    assert!(world.front.writes().is_empty() && world.index.writes().is_empty());
    assert_eq!(running.count(task, "attempt_not_started").await, 0);
}

#[tokio::test]
async fn row_2_completed_is_a_replayed_outcome_and_the_index_gets_it_back() {
    let world = World::new().await;
    let (result, at) = (json_of(json!("paid")), Timestamp::from_micros(7));
    world.front.says([Say::Answer(BeginAnswer::Completed { result: result.clone(), at })]);
    let running = world.start().await;
    let task = running.submit(KEYED).await;
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.replays), (TaskOutcome::Succeeded, 1));
    assert_eq!(finished.output.as_json(), Some(&json!({"charge": "paid"})));
    assert_eq!(running.count(task, "attempt_not_started").await, 1);
    assert_eq!(running.count(task, "call_replayed").await, 1);
    assert_eq!(world.row(&order()).await, Some(KeyState::Done { result }));
    // From here on the index answers by itself.
    let next = running.submit(KEYED).await;
    assert_eq!(running.end(next).await.report.replays, 1);
    assert_eq!(running.count(next, "attempt_started").await, 0);
    assert_eq!(world.sent(), Vec::<String>::new(), "nothing was executed");
}

#[tokio::test]
async fn row_2_failed_final_is_a_replayed_outcome_and_the_index_gets_it_back() {
    let world = World::new().await;
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::ToolError, "no such card");
    world.front.says([Say::Answer(BeginAnswer::FailedFinal { failure: failure.clone() })]);
    let running = world.start().await;
    let task = running.submit(KEYED).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    assert_eq!(finished.failure.unwrap().message, "no such card");
    assert_eq!(world.row(&order()).await, Some(KeyState::FailedFinal { failure }));
    assert_eq!(world.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn row_3_in_progress_of_another_gives_the_claim_back_and_waits() {
    let world = World::new().await;
    world.front.says([in_progress()]);
    world.front.holds_waits.send_replace(true);
    let running = world.start().await;
    let task = running.submit(KEYED).await;
    running.event(task, "attempt_not_started").await;
    assert_eq!(world.row(&order()).await, None, "another may claim it meanwhile");
    a_moment().await;
    assert_eq!((world.front.count(), world.sent().len()), (1, 0));
    world.front.holds_waits.send_replace(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent(), ["charge"]);
    assert_eq!(world.front.count(), 2, "one an attempt");
    assert_eq!(running.count(task, "attempt_started").await, 2);
}

#[tokio::test]
async fn row_3_what_the_other_has_done_meanwhile_answers() {
    let world = World::new().await;
    world.front.says([in_progress()]);
    world.front.holds_waits.send_replace(true);
    let running = world.start().await;
    let task = running.submit(KEYED).await;
    running.event(task, "attempt_not_started").await;
    // A foreign caller takes the key and completes it.
    let fingerprint = world.front.begun(0).fingerprint;
    let foreign = holdfast_ports::Begin { fingerprint, holder: somebody(), epoch: 0, ..world.front.begun(0) };
    let answer = world.platform.store.begin(foreign).await.unwrap();
    let BeginAnswer::Acquired { token, .. } = answer else { panic!("{answer:?}") };
    let (store, hour) = (&world.platform.store, Duration::from_secs(3_600));
    store.complete(&order(), token, json_of(json!("theirs")), hour).await.unwrap();
    world.front.holds_waits.send_replace(false);
    let finished = running.end(task).await;
    assert_eq!((finished.outcome, finished.report.replays), (TaskOutcome::Succeeded, 1));
    assert_eq!(world.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn row_3_doubt_of_another_fails_the_call_at_its_step_s_end() {
    let world = World::new().await;
    let since = Timestamp::from_micros(7);
    let doubt = BeginAnswer::InDoubt { holder: somebody(), since, attempts: 1, token: None };
    world.front.says(std::iter::repeat_n(Say::Answer(doubt), 50));
    let running = world.start().await;
    let plan = "
holdfast: v1
name: doubt
steps:
  - { id: charge, tool: pay, key: order-7, args: {}, timeout: 400ms }
";
    let task = running.submit(plan).await;
    let finished = running.end(task).await;
    assert_eq!(finished.outcome, TaskOutcome::Failed);
    assert_eq!(finished.failure.unwrap().effect, Effect::NotExecuted);
    assert_eq!(world.row(&order()).await, None);
    assert_eq!(world.sent(), Vec::<String>::new());
    assert!((2..6).contains(&world.front.count()), "it asks ever more seldom: {}", world.front.count());
}

#[tokio::test]
async fn row_4_a_dead_service_costs_one_question_and_the_index_answers() {
    let world = World::new().await;
    world.front.says(std::iter::repeat_n(Say::Fail(gone()), 50));
    let running = world.start().await;
    let task = running.submit(&chain(5, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent().len(), 5);
    assert_eq!((world.front.count(), world.index.count()), (1, 5));
    assert_eq!(running.count(task, "attempt_started").await, 5);
}

#[tokio::test]
async fn row_4_a_silent_service_costs_one_wait_for_all_calls_of_some_seconds() {
    let world = World::new().await;
    world.front.says(std::iter::repeat_n(Say::Silence, 50));
    let running = world.start().await;
    let task = running.submit(&chain(5, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent().len(), 5);
    assert_eq!((world.front.count(), world.index.count()), (1, 5));
}

#[tokio::test]
async fn row_4_without_any_answer_it_is_not_sent_and_the_journal_says_so() {
    let world = World::new().await;
    world.front.says(std::iter::repeat_n(Say::Fail(gone()), 50));
    world.index.holds_begins.send_replace(true);
    let config = Config { begin_within: Duration::from_millis(200), ..Config::default() };
    let running = world.platform.start_with(config, world.deps()).await;
    let task = running.submit(&chain(1, "pay")).await;
    running.event(task, "attempt_not_started").await;
    assert_eq!(world.sent(), Vec::<String>::new());
    world.index.holds_begins.send_replace(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent(), ["s0"]);
}

#[tokio::test]
async fn row_5_a_refused_claim_releases_what_was_acquired_and_waits_on_the_index() {
    let world = World::new().await;
    let running = world.start().await;
    world.platform.worker.script("pay", [Reply::Hold]);
    let one = running.submit(KEYED).await;
    until(async || world.sent().len() == 1).await;
    // The service has lost everything, and grants the key once more.
    let acquired = BeginAnswer::Acquired { token: 77, takeover: false, earlier_attempts: 0 };
    world.front.says([Say::Answer(acquired)]);
    let two = running.submit(KEYED).await;
    until(async || world.front.released() == [(order(), 77)]).await;
    world.platform.worker.let_go("charge", json!("paid"));
    assert_eq!(running.end(one).await.outcome, TaskOutcome::Succeeded);
    let finished = running.end(two).await;
    assert_eq!((finished.outcome, finished.report.replays), (TaskOutcome::Succeeded, 1));
    assert_eq!(world.sent(), ["charge"]);
    assert_eq!(running.count(two, "attempt_started").await, 0);
}

#[tokio::test]
async fn row_5_what_is_acquired_after_the_refusal_is_released_too() {
    let world = World::new().await;
    let running = world.start().await;
    world.platform.worker.script("pay", [Reply::Hold]);
    let one = running.submit(KEYED).await;
    until(async || world.sent().len() == 1).await;
    let acquired = BeginAnswer::Acquired { token: 77, takeover: false, earlier_attempts: 0 };
    world.front.says([Say::Answer(acquired)]);
    world.front.holds_begins.send_replace(true);
    let two = running.submit(KEYED).await;
    reaches(&world.journal.written, 2).await;
    a_moment().await;
    assert_eq!(world.front.released(), []);
    world.front.holds_begins.send_replace(false);
    until(async || world.front.released() == [(order(), 77)]).await;
    world.platform.worker.let_go("charge", json!("paid"));
    assert_eq!(running.end(one).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(running.end(two).await.report.replays, 1);
    assert_eq!(world.sent(), ["charge"]);
}

#[tokio::test]
async fn row_6_a_refused_epoch_changes_nothing_at_the_service() {
    let world = World::new().await;
    world.journal.before.send_replace(true);
    let stale = world.start().await;
    let task = stale.submit(&chain(2, "pay")).await;
    reaches(&world.journal.asked, 1).await;
    // The store believes that everybody is dead; the first instance lives, its append is on its way.
    world.platform.bury_former_owners().await;
    let second = World::new_front(&world).await;
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    world.journal.before.send_replace(false);
    until(async || stale.orchestrator.driving() == 0).await;
    assert_eq!(world.front.released(), []);
    assert!(world.front.writes().is_empty());
    let epochs: Vec<_> = world.platform.worker.ledger().iter().map(|deed| deed.epoch).collect();
    assert_eq!((world.sent().len(), epochs), (2, vec![2, 2]));
}

#[tokio::test]
async fn row_7_an_append_without_an_answer_is_asked_again_and_nothing_is_sent_or_released() {
    let world = World::new().await;
    world.journal.after.send_replace(true);
    let inner = Arc::clone(&world.journal) as _;
    let lossy = Arc::new(LossyJournal::new(inner));
    lossy.lose.store(3, std::sync::atomic::Ordering::Release);
    let deps = Deps { journal: lossy, ..world.deps() };
    let running = world.platform.start_with(Config::default(), deps).await;
    let task = running.submit(&chain(1, "pay")).await;
    reaches(&world.journal.written, 1).await;
    reaches(&world.front.arrived, 1).await;
    a_moment().await;
    assert_eq!((world.sent().len(), world.front.released().len()), (0, 0));
    world.journal.after.send_replace(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert!(*world.journal.asked.borrow() >= 2, "it was asked again");
    assert_eq!((world.sent().len(), world.front.count()), (1, 1), "one question an attempt");
    assert_eq!(running.count(task, "attempt_started").await, 1);
    assert_eq!(world.front.released(), []);
}

#[tokio::test]
async fn row_8_a_crash_before_either_answer_leaves_no_claim_behind() {
    let world = World::new().await;
    world.journal.before.send_replace(true);
    let first = world.start().await;
    let task = first.submit(KEYED).await;
    reaches(&world.journal.asked, 1).await;
    reaches(&world.front.arrived, 1).await;
    a_moment().await;
    first.crash().await;
    assert_eq!(world.row(&order()).await, None, "the service has asked the index, and left nothing there");
    world.journal.before.send_replace(false);
    world.platform.bury_former_owners().await;
    let second = world.start().await;
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent(), ["charge"]);
    assert_eq!(world.front.begun(1).epoch, 2);
}

#[tokio::test]
async fn row_8_a_crash_after_the_append_and_before_the_word_asks_nobody() {
    let world = World::new().await;
    world.front.holds_begins.send_replace(true);
    let first = world.start().await;
    let task = first.submit(&chain(1, "pay")).await;
    first.event(task, "attempt_started").await;
    first.crash().await;
    world.front.holds_begins.send_replace(false);
    world.platform.bury_former_owners().await;
    let second = world.start().await;
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(second.count(task, "question_asked").await, 0, "the fence proves that it was never sent");
    assert_eq!(world.sent(), ["s0"]);
}
