//! Claims: each task goes to one driver, and none that wants to be driven is forgotten (PROTOCOL 9, 10).

use std::time::Duration;

use futures::future::join_all;
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::{Append, Hold, NewTask, PreviousLife, Refusal};
use holdfast_types::{InstanceId, MessageId, Priority, TaskId, TaskStatus};

use super::{Driver, Fixture, driven, ids, row, spec};

async fn instance(fixture: &Fixture) -> InstanceId {
    let instance = ids::instance();
    fixture.leases.open(instance).await.unwrap();
    instance
}

async fn claim(fixture: &Fixture, instance: InstanceId) -> Vec<holdfast_types::journal::Claimed> {
    let owners = (0..10).map(|_| ids::owner()).collect();
    fixture.leases.claim(instance, owners, 10).await.unwrap()
}

pub(super) async fn send(fixture: &Fixture, task: TaskId) -> MessageId {
    let id = ids::message();
    let message = InboxMessage { id, task, at: fixture.clock.now(), from: None, message: Message::Pause };
    fixture.inbox.put(message).await.unwrap();
    id
}

pub async fn a_queued_task_is_claimed_once(fixture: &Fixture) {
    for _ in 0..5 {
        fixture.journal.create(spec(fixture)).await.unwrap();
    }
    let (a, b) = (instance(fixture).await, instance(fixture).await);
    let claims = join_all([claim(fixture, a), claim(fixture, b), claim(fixture, a)]).await.concat();
    let mut tasks: Vec<TaskId> = claims.iter().map(|claim| claim.task).collect();
    tasks.sort();
    tasks.dedup();
    assert_eq!((claims.len(), tasks.len()), (5, 5));
    for claim in claims {
        assert_eq!((claim.epoch, claim.previous, claim.barren_lives), (1, PreviousLife::None, 0));
        assert_eq!(fixture.tasks.get(claim.task).await.unwrap().owner, Some(claim.owner));
    }
}

pub async fn a_claim_fences_the_driver_before(fixture: &Fixture) {
    let old = driven(fixture).await;
    fixture.leases.close(old.instance).await.unwrap();
    let instance = instance(fixture).await;
    let mut new = Driver::of(instance, &claim(fixture, instance).await[0]);
    assert_eq!((new.task, new.epoch, new.seq), (old.task, 2, 1));
    assert_eq!(old.refused(fixture, old.request()).await, Refusal::StaleEpoch { epoch: 2 });
    // The right epoch with the owner id of another claim is no better.
    let forged = Append { epoch: 2, ..old.request() };
    assert_eq!(old.refused(fixture, forged).await, Refusal::StaleEpoch { epoch: 2 });
    let append = new.request();
    new.append(fixture, append).await;
}

pub async fn a_held_task_is_not_claimed(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let other = instance(fixture).await;
    send(fixture, driver.task).await;
    assert!(claim(fixture, other).await.is_empty());
    assert!(claim(fixture, driver.instance).await.is_empty());
    assert_eq!(fixture.leases.claim_one(other, ids::owner(), driver.task).await.unwrap(), None);
}

pub async fn a_waiting_task_is_claimed_when_its_time_comes(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    assert_eq!(fixture.leases.next_wake().await.unwrap(), None);
    let wake_at = fixture.clock.now().after(Duration::from_secs(5));
    driver.give_back(fixture, row(TaskStatus::Waiting, Some(wake_at))).await;
    assert_eq!(fixture.leases.next_wake().await.unwrap(), Some(wake_at));
    assert!(claim(fixture, driver.instance).await.is_empty());
    fixture.clock.advance(Duration::from_secs(5));
    let claims = claim(fixture, driver.instance).await;
    assert_eq!(
        (claims[0].task, claims[0].epoch, claims[0].previous),
        (driver.task, 2, PreviousLife::Released)
    );
    assert_eq!(fixture.leases.next_wake().await.unwrap(), None);
}

pub async fn a_finished_task_wakes_for_a_message_only(fixture: &Fixture) {
    sleeps_until_a_message(fixture, TaskStatus::Finished).await;
}

pub async fn a_quarantined_task_wakes_for_a_message_only(fixture: &Fixture) {
    sleeps_until_a_message(fixture, TaskStatus::Quarantined).await;
}

async fn sleeps_until_a_message(fixture: &Fixture, status: TaskStatus) {
    let mut driver = driven(fixture).await;
    driver.give_back(fixture, row(status, Some(fixture.clock.now()))).await;
    assert!(claim(fixture, driver.instance).await.is_empty());
    assert_eq!(fixture.leases.next_wake().await.unwrap(), None);
    assert_eq!(fixture.leases.claim_one(driver.instance, ids::owner(), driver.task).await.unwrap(), None);

    let message = send(fixture, driver.task).await;
    let claims = claim(fixture, driver.instance).await;
    let mut driver = Driver::of(driver.instance, &claims[0]);
    // Given back untouched it wakes again: the message still waits.
    fixture.leases.release(driver.task, driver.epoch, driver.owner).await.unwrap();
    let claims = claim(fixture, driver.instance).await;
    driver = Driver::of(driver.instance, &claims[0]);
    let append =
        Append { handled: vec![message], row: row(status, None), hold: Hold::GiveBack, ..driver.request() };
    driver.append(fixture, append).await;
    assert!(claim(fixture, driver.instance).await.is_empty());
}

pub async fn a_message_before_the_give_back_is_not_overslept(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let read = fixture.inbox.read(driver.task).await.unwrap();
    assert!(read.is_empty());
    // It comes after the driver has looked and before it gives the task back without a time.
    send(fixture, driver.task).await;
    driver.give_back(fixture, row(TaskStatus::Waiting, None)).await;
    assert_eq!(claim(fixture, driver.instance).await[0].task, driver.task);
}

pub async fn a_handled_message_wakes_nobody(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let handled = vec![send(fixture, driver.task).await];
    let append =
        Append { handled, row: row(TaskStatus::Waiting, None), hold: Hold::GiveBack, ..driver.request() };
    driver.append(fixture, append).await;
    assert!(claim(fixture, driver.instance).await.is_empty());
    assert_eq!(fixture.leases.next_wake().await.unwrap(), None);
}

pub async fn one_task_is_claimed_by_name(fixture: &Fixture) {
    let (wanted, other) = (spec(fixture), spec(fixture));
    for task in [&wanted, &other] {
        fixture.journal.create(task.clone()).await.unwrap();
    }
    let instance = instance(fixture).await;
    let owner = ids::owner();
    let claimed = fixture.leases.claim_one(instance, owner, wanted.id).await.unwrap().unwrap();
    assert_eq!((claimed.task, claimed.owner, claimed.epoch), (wanted.id, owner, 1));
    assert_eq!(fixture.leases.claim_one(instance, ids::owner(), wanted.id).await.unwrap(), None);
    assert_eq!(fixture.leases.claim_one(instance, ids::owner(), ids::task()).await.unwrap(), None);
    assert_eq!(claim(fixture, instance).await[0].task, other.id);
}

pub async fn a_release_wakes_the_task(fixture: &Fixture) {
    let driver = driven(fixture).await;
    fixture.leases.release(driver.task, driver.epoch, driver.owner).await.unwrap();
    let claims = claim(fixture, driver.instance).await;
    assert_eq!((claims[0].epoch, claims[0].previous), (2, PreviousLife::Released));
}

pub async fn a_release_of_an_old_claim_is_ignored(fixture: &Fixture) {
    let driver = driven(fixture).await;
    fixture.leases.release(driver.task, driver.epoch, ids::owner()).await.unwrap();
    fixture.leases.release(driver.task, driver.epoch + 1, driver.owner).await.unwrap();
    fixture.leases.release(ids::task(), 1, driver.owner).await.unwrap();
    assert_eq!(fixture.tasks.get(driver.task).await.unwrap().owner, Some(driver.owner));
}

pub async fn claims_are_bounded(fixture: &Fixture) {
    for _ in 0..4 {
        fixture.journal.create(spec(fixture)).await.unwrap();
    }
    let instance = instance(fixture).await;
    let two = || vec![ids::owner(), ids::owner()];
    assert_eq!(fixture.leases.claim(instance, two(), 1).await.unwrap().len(), 1);
    assert_eq!(fixture.leases.claim(instance, two(), 9).await.unwrap().len(), 2);
    assert!(fixture.leases.claim(instance, Vec::new(), 9).await.unwrap().is_empty());
}

/// Claims so many, one instance for all.
async fn some(fixture: &Fixture, instance: InstanceId, many: usize) -> Vec<TaskId> {
    let owners = (0..many).map(|_| ids::owner()).collect();
    let claims = fixture.leases.claim(instance, owners, 100).await.unwrap();
    claims.into_iter().map(|claim| claim.task).collect()
}

async fn queued(fixture: &Fixture, namespace: &str, priority: u8) -> TaskId {
    let priority = Priority::try_new(priority).unwrap();
    let task = NewTask { namespace: namespace.parse().unwrap(), priority, ..spec(fixture) };
    let id = task.id;
    fixture.journal.create(task).await.unwrap();
    fixture.clock.advance(Duration::from_millis(1));
    id
}

pub async fn a_long_queue_keeps_no_other_namespace_waiting(fixture: &Fixture) {
    let mut long = Vec::new();
    for _ in 0..20 {
        long.push(queued(fixture, "long", 3).await);
    }
    let (b, c) = (queued(fixture, "b", 5).await, queued(fixture, "c", 3).await);
    let instance = instance(fixture).await;
    // Each has a turn before any has two.
    let first = some(fixture, instance, 3).await;
    assert_eq!(first.len(), 3);
    assert!(first.contains(&b) && first.contains(&c), "{first:?}");
    // Alone, it has all of them, the longest waiting first.
    assert_eq!(some(fixture, instance, 4).await, long[1..5]);
    assert_eq!(some(fixture, instance, 50).await.len(), 15);
    assert!(some(fixture, instance, 50).await.is_empty());
}

pub async fn turns_go_round_from_claim_to_claim(fixture: &Fixture) {
    for namespace in ["a", "b", "c", "d"] {
        for _ in 0..3 {
            queued(fixture, namespace, 3).await;
        }
    }
    let instance = instance(fixture).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let task = some(fixture, instance, 1).await[0];
        seen.push(fixture.tasks.get(task).await.unwrap().namespace.to_string());
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c", "d"]);
}

pub async fn the_best_priority_of_a_namespace_is_claimed_first(fixture: &Fixture) {
    let last = queued(fixture, "a", 5).await;
    let (third, fourth) = (queued(fixture, "a", 3).await, queued(fixture, "a", 3).await);
    let first = queued(fixture, "a", 1).await;
    let instance = instance(fixture).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(some(fixture, instance, 1).await);
    }
    assert_eq!(order, [first, third, fourth, last]);
}
