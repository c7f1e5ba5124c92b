//! `Begin` beside the append, apart from the rows of its table: what it costs, and what ends it.

use std::time::Duration;

use crate::common::front::Say;
use crate::common::front_world::*;
use crate::common::{Reply, chain, until};
use holdfast_orchestrator::{Config, Deps, KeyFront, Sent};
use holdfast_ports::{BeginAnswer, Error};
use holdfast_types::inbox::Message;
use holdfast_types::key::Holder;
use holdfast_types::{Class, TaskOutcome, Timestamp};
use serde_json::json;

#[tokio::test]
async fn the_append_and_the_question_are_under_way_at_once() {
    let world = World::new().await;
    world.journal.before.send_replace(true);
    world.front.holds_begins.send_replace(true);
    let running = world.start().await;
    let task = running.submit(&chain(1, "pay")).await;
    // Neither has its answer, and both have left.
    reaches(&world.journal.asked, 1).await;
    reaches(&world.front.arrived, 1).await;
    world.journal.before.send_replace(false);
    running.event(task, "attempt_started").await;
    a_moment().await;
    assert_eq!(world.sent(), Vec::<String>::new(), "the append alone permits nothing");
    world.front.holds_begins.send_replace(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.sent(), ["s0"]);
}

/// Lets everything happen that needs no time, until something holds or for a while.
async fn without_time(holds: impl Fn() -> bool) -> bool {
    for _ in 0..2_000_000 {
        if holds() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn the_time_to_send_is_the_longer_of_the_two_and_not_their_sum() {
    let ms = Duration::from_millis;
    for (append, word) in [(ms(300), ms(200)), (ms(100), ms(300))] {
        let world = World::with(|front, journal| {
            front.delay = word;
            journal.delay = append;
        })
        .await;
        let running = world.start().await;
        // From here on time moves by hand: a blocked thread keeps the runtime from moving it.
        let (go, wait) = std::sync::mpsc::sync_channel::<()>(1);
        let blocked = tokio::task::spawn_blocking(move || wait.recv().is_ok());
        tokio::time::pause();
        running.submit(&chain(1, "pay")).await;
        reaches(&world.journal.asked, 1).await;
        reaches(&world.front.arrived, 1).await;
        let began = tokio::time::Instant::now();
        tokio::time::advance(append.min(word)).await;
        tokio::time::advance(ms(300) - append.min(word) - ms(1)).await;
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.sent(), Vec::<String>::new());
        // The timer's own grain is a millisecond.
        tokio::time::advance(ms(2)).await;
        assert!(without_time(|| !world.sent().is_empty()).await);
        assert_eq!(began.elapsed(), ms(301), "append {append:?}, word {word:?}");
        tokio::time::resume();
        drop(go);
        assert!(!blocked.await.unwrap());
    }
}

#[tokio::test]
async fn a_word_of_a_generation_that_was_undone_is_checked_at_the_index() {
    let world = World::new().await;
    let running = world.start().await;
    world.platform.worker.script("book", [Reply::Break]);
    let plan = "
holdfast: v1
name: undone
steps:
  - { id: charge, tool: pay, key: order-7, args: {}, undo: { tool: undo, args: {} } }
  - { id: after, tool: book, args: {}, depends_on: [charge] }
";
    let task = running.submit(plan).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Compensated);
    let asked = world.front.count();
    let (result, at) = (json_of(json!("undone since")), Timestamp::from_micros(7));
    world.front.says([Say::Index, Say::Answer(BeginAnswer::Completed { result, at })]);
    let next = running.submit(KEYED).await;
    let finished = running.end(next).await;
    assert_eq!((finished.outcome, finished.report.replays), (TaskOutcome::Succeeded, 0));
    assert_eq!(world.sent().iter().filter(|call| *call == "charge").count(), 2);
    assert_eq!((world.front.count() - asked, world.index.count()), (2, 1));
}

#[tokio::test]
async fn the_word_alone_permits_nothing() {
    let world = World::new().await;
    world.journal.before.send_replace(true);
    let running = world.start().await;
    let task = running.submit(&chain(1, "pay")).await;
    reaches(&world.front.arrived, 1).await;
    a_moment().await;
    assert_eq!(world.sent(), Vec::<String>::new());
    world.journal.before.send_replace(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
}

#[tokio::test]
async fn reads_ask_nothing_and_each_attempt_asks_once() {
    let world = World::new().await;
    let running = world.start().await;
    let task = running.submit(&chain(3, "look")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.front.count(), 0);
    let refuse = Reply::Refuse(Class::Transient);
    world.platform.worker.script("pay", [refuse.clone(), refuse]);
    let task = running.submit(&chain(2, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(running.count(task, "attempt_started").await, 4);
    assert_eq!((world.front.count(), world.index.count()), (4, 0));
}

#[tokio::test]
async fn without_a_service_nothing_is_asked() {
    let world = World::new().await;
    let deps = Deps { front: KeyFront::None, ..world.deps() };
    let running = world.platform.start_with(Config::default(), deps).await;
    let task = running.submit(&chain(3, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!((world.front.count(), world.index.count()), (0, 0));
}

#[tokio::test]
async fn an_answer_that_names_the_call_itself_or_makes_no_sense_is_settled_by_the_index() {
    let world = World::new().await;
    let running = world.start().await;
    let broken = Error::Corrupt { what: "an answer".into(), why: "no word known".into() };
    world.front.says([Say::Fail(broken)]);
    let task = running.submit(&chain(1, "pay")).await;
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!((world.front.count(), world.index.count()), (1, 1));

    let world = World::new().await;
    let running = world.start().await;
    world.front.holds_begins.send_replace(true);
    let task = running.submit(KEYED).await;
    let own = Holder::Call { task, call: "charge".parse().unwrap() };
    let since = Timestamp::from_micros(7);
    reaches(&world.front.arrived, 1).await;
    // What it says was fixed when it was asked: so the next attempt hears it.
    world.platform.worker.script("pay", [Reply::Refuse(Class::Transient)]);
    world.front.says([Say::Answer(BeginAnswer::InDoubt { holder: own, since, attempts: 1, token: None })]);
    world.front.holds_begins.send_replace(false);
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!((world.front.count(), world.index.count()), (2, 1));
    assert_eq!(running.count(task, "attempt_not_started").await, 0);
    assert_eq!(world.sent(), ["charge"]);
}

#[tokio::test]
async fn a_takeover_asks_under_its_own_epoch_and_an_adopted_call_is_not_asked_for() {
    let world = World::new().await;
    let first = world.start().await;
    world.platform.worker.script("pay", [Reply::Hold]);
    let task = first.submit(&chain(2, "pay")).await;
    until(async || world.sent().len() == 1).await;
    first.crash().await;
    world.platform.bury_former_owners().await;
    let second = world.start().await;
    second.event(task, "attempt_adopted").await;
    assert_eq!(world.front.count(), 1);
    world.platform.worker.let_go("s0", json!({"of": {"n": 0}}));
    assert_eq!(second.end(task).await.outcome, TaskOutcome::Succeeded);
    assert_eq!(world.front.count(), 2);
    assert_eq!((world.front.begun(0).epoch, world.front.begun(1).epoch), (1, 2));
    assert_eq!(world.sent(), ["s0", "s1"]);
}

#[tokio::test]
async fn a_cancel_before_the_word_keeps_the_call_from_being_sent() {
    let world = World::new().await;
    world.front.says([Say::Silence]);
    world.index.holds_begins.send_replace(true);
    let running = world.start().await;
    let task = running.submit(KEYED).await;
    running.event(task, "attempt_started").await;
    let cancel = Message::Cancel { on_cancel: None, reason: "changed my mind".into() };
    running.orchestrator.send(task, Sent { id: None, from: None, message: cancel }).await.unwrap();
    assert_eq!(running.end(task).await.outcome, TaskOutcome::Cancelled);
    assert_eq!(running.count(task, "attempt_not_started").await, 1);
    assert_eq!(world.row(&order()).await, None);
    assert_eq!((world.sent().len(), world.platform.worker.cancels().len()), (0, 0));
}

#[tokio::test]
async fn a_drain_waits_for_the_word_and_leaves_no_doubt() {
    let world = World::new().await;
    world.front.holds_begins.send_replace(true);
    let first = world.start().await;
    let task = first.submit(&chain(2, "pay")).await;
    first.event(task, "attempt_started").await;
    first.shutdown.drain();
    a_moment().await;
    assert_eq!(first.orchestrator.driving(), 1);
    world.front.holds_begins.send_replace(false);
    first.stop().await;
    assert_eq!(world.sent(), ["s0"]);
    let second = world.start().await;
    let finished = second.end(task).await;
    assert_eq!((finished.outcome, finished.report.lives), (TaskOutcome::Succeeded, 2));
    assert_eq!(world.sent(), ["s0", "s1"]);
}
