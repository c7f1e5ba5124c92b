//! Inboxes: accepted means stored, and handled means handled once (PROTOCOL 10).

use std::time::Duration;

use futures::StreamExt;
use holdfast_ports::Error;
use holdfast_types::TaskId;
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::{Append, Refusal};

use super::{Fixture, driven, ids};

fn note(fixture: &Fixture, task: TaskId, note: &str) -> InboxMessage {
    let message = Message::Inject { note: note.to_owned() };
    InboxMessage { id: ids::message(), task, at: fixture.clock.now(), from: Some("ada".to_owned()), message }
}

pub async fn messages_are_read_oldest_first(fixture: &Fixture) {
    let (driver, other) = (driven(fixture).await, driven(fixture).await);
    let messages: Vec<_> = ["c", "a", "b"].map(|text| note(fixture, driver.task, text)).into();
    for message in &messages {
        fixture.inbox.put(message.clone()).await.unwrap();
    }
    fixture.inbox.put(note(fixture, other.task, "other")).await.unwrap();
    assert_eq!(fixture.inbox.read(driver.task).await.unwrap(), messages);
}

pub async fn the_same_message_is_stored_once(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let message = note(fixture, driver.task, "once");
    for _ in 0..3 {
        fixture.inbox.put(message.clone()).await.unwrap();
    }
    assert_eq!(fixture.inbox.read(driver.task).await.unwrap(), [message]);
}

pub async fn a_handled_message_does_not_come_back(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let (handled, waiting) = (note(fixture, driver.task, "a"), note(fixture, driver.task, "b"));
    for message in [&handled, &waiting] {
        fixture.inbox.put(message.clone()).await.unwrap();
    }
    let append = Append { handled: vec![handled.id], ..driver.request() };
    driver.append(fixture, append).await;
    // Its sender got no answer and sends it again.
    fixture.inbox.put(handled).await.unwrap();
    assert_eq!(fixture.inbox.read(driver.task).await.unwrap(), [waiting]);
}

pub async fn a_refused_append_handles_nothing(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let message = note(fixture, driver.task, "a");
    fixture.inbox.put(message.clone()).await.unwrap();
    let wrong = Append { expected_seq: 7, handled: vec![message.id], ..driver.request() };
    assert_eq!(driver.refused(fixture, wrong).await, Refusal::SeqMismatch { last_seq: 1 });
    assert_eq!(fixture.inbox.read(driver.task).await.unwrap().len(), 1);
    // Another task's driver can't handle it either.
    let mut other = driven(fixture).await;
    let append = Append { handled: vec![message.id], ..other.request() };
    other.append(fixture, append).await;
    assert_eq!(fixture.inbox.read(driver.task).await.unwrap(), [message]);
}

pub async fn an_unknown_task_has_no_inbox(fixture: &Fixture) {
    let refused = fixture.inbox.put(note(fixture, ids::task(), "a")).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })));
}

pub async fn a_message_raises_no_epoch(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    fixture.inbox.put(note(fixture, driver.task, "a")).await.unwrap();
    fixture.inbox.read(driver.task).await.unwrap();
    let row = fixture.tasks.get(driver.task).await.unwrap();
    assert_eq!((row.epoch, row.owner), (1, Some(driver.owner)));
    assert_eq!(row.wake_at, Some(fixture.clock.now()));
    let append = driver.request();
    driver.append(fixture, append).await;
}

pub async fn a_message_is_told(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let mut wakeups = fixture.inbox.wakeups().await.unwrap();
    fixture.inbox.put(note(fixture, driver.task, "a")).await.unwrap();
    let woken = tokio::time::timeout(Duration::from_secs(20), wakeups.next()).await.unwrap();
    assert_eq!(woken, Some(driver.task));
}
