//! Followers: in order, without gaps, only what is durable, and nobody waits for them (PROTOCOL 19).

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use holdfast_ports::{Error, Result};
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Append, EventRow};

use super::{Fixture, driven, event, ids, row};

async fn next(events: &mut BoxStream<'static, Result<EventRow>>) -> Option<Result<EventRow>> {
    tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("the follower hears nothing")
}

pub async fn a_follower_sees_everything_in_order(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let mut events = fixture.journal.follow(driver.task, 0).await.unwrap();
    assert_eq!(next(&mut events).await.unwrap().unwrap().seq, 1);
    for n in 2..40 {
        let append = driver.request();
        driver.append(fixture, append).await;
        if n % 3 == 0 {
            continue;
        }
        let seen = next(&mut events).await.unwrap().unwrap();
        assert!(seen.seq <= n);
    }
    while next(&mut events).await.unwrap().unwrap().seq < driver.seq {}
    let append = Append { events: vec![event("last")], ..driver.request() };
    driver.append(fixture, append).await;
    assert_eq!(next(&mut events).await.unwrap().unwrap().body, event("last").body);
}

pub async fn a_follower_resumes_anywhere(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let append = Append { events: vec![event("x"); 600], ..driver.request() };
    driver.append(fixture, append).await;
    let mut events = fixture.journal.follow(driver.task, 300).await.unwrap();
    for seq in 301..=601 {
        assert_eq!(next(&mut events).await.unwrap().unwrap().seq, seq);
    }
    // One that knows the future waits for it.
    let mut events = fixture.journal.follow(driver.task, 602).await.unwrap();
    let append = Append { events: vec![event("a"), event("b")], ..driver.request() };
    driver.append(fixture, append).await;
    assert_eq!(next(&mut events).await.unwrap().unwrap().body, event("b").body);
}

pub async fn an_unknown_task_is_not_followed(fixture: &Fixture) {
    assert!(matches!(fixture.journal.follow(ids::task(), 0).await, Err(Error::NotFound { .. })));
}

pub async fn a_slow_follower_holds_nobody_up(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut events = fixture.journal.follow(driver.task, 0).await.unwrap();
        next(&mut events).await.unwrap().unwrap();
        slow.push(events);
    }
    for _ in 0..20 {
        let append = Append { events: vec![event("x"); 50], ..driver.request() };
        driver.append(fixture, append).await;
    }
    assert_eq!(fixture.journal.load(driver.task).await.unwrap().events.len(), 1001);
    for events in &mut slow {
        for seq in 2..=1001 {
            assert_eq!(next(events).await.unwrap().unwrap().seq, seq);
        }
    }
}

pub async fn a_follower_hears_of_the_removal(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    driver.give_back(fixture, row(TaskStatus::Finished, None)).await;
    let mut events = fixture.journal.follow(driver.task, 0).await.unwrap();
    for seq in 1..=2 {
        assert_eq!(next(&mut events).await.unwrap().unwrap().seq, seq);
    }
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 1).await.unwrap(), 1);
    assert!(matches!(next(&mut events).await, Some(Err(Error::NotFound { .. }))));
    assert!(next(&mut events).await.is_none());
}
