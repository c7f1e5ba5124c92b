//! Lives that end without a release and without an outcome are counted (PROTOCOL 18).

use std::time::Duration;

use holdfast_ports::{Renewal, Renewed};
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Append, Claimed, Progress};

use super::{Driver, Fixture, driven, ids, row};

/// A new instance takes the one task that wants to be driven.
async fn next_life(fixture: &Fixture) -> (Driver, Claimed) {
    let instance = ids::instance();
    fixture.leases.open(instance).await.unwrap();
    let claim = fixture.leases.claim(instance, vec![ids::owner()], 1).await.unwrap().remove(0);
    (Driver::of(instance, &claim), claim)
}

pub async fn lives_without_an_outcome_are_counted(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    for barren in 1..4 {
        // It writes an event in each life, an intent, and dies.
        let append = driver.request();
        driver.append(fixture, append).await;
        fixture.leases.close(driver.instance).await.unwrap();
        let (next, claim) = next_life(fixture).await;
        assert_eq!(claim.barren_lives, barren);
        assert_eq!(fixture.tasks.get(driver.task).await.unwrap().barren_lives, barren);
        driver = next;
    }
}

pub async fn an_outcome_ends_the_count(fixture: &Fixture) {
    let driver = driven(fixture).await;
    fixture.leases.close(driver.instance).await.unwrap();
    let (mut driver, claim) = next_life(fixture).await;
    assert_eq!(claim.barren_lives, 1);
    let append = Append { progress: Progress::Outcome, ..driver.request() };
    driver.append(fixture, append).await;
    assert_eq!(fixture.tasks.get(driver.task).await.unwrap().barren_lives, 0);
    let append = driver.request();
    driver.append(fixture, append).await;
    fixture.leases.close(driver.instance).await.unwrap();
    let (_, claim) = next_life(fixture).await;
    assert_eq!(claim.barren_lives, 0);
}

pub async fn a_release_ends_the_count(fixture: &Fixture) {
    let driver = driven(fixture).await;
    fixture.leases.close(driver.instance).await.unwrap();
    let (driver, _) = next_life(fixture).await;
    fixture.leases.release(driver.task, driver.epoch, driver.owner).await.unwrap();
    let (mut driver, claim) = next_life(fixture).await;
    assert_eq!(claim.barren_lives, 0);
    driver.give_back(fixture, row(TaskStatus::Queued, Some(fixture.clock.now()))).await;
    let (_, claim) = next_life(fixture).await;
    assert_eq!(claim.barren_lives, 0);
}

pub async fn a_session_end_that_the_process_survives_does_not_count(fixture: &Fixture) {
    let survivor = driven(fixture).await;
    fixture.clock.advance(Duration::from_secs(3600));
    let (driver, claim) = next_life(fixture).await;
    assert_eq!(claim.barren_lives, 1);
    // It was cut off, not dead: it comes back and is told so.
    let renewal = Renewal { instance: survivor.instance, driving: 1, digest: 0 };
    assert_eq!(fixture.leases.renew(renewal).await.unwrap(), Renewed::Ended);
    assert_eq!(fixture.tasks.get(driver.task).await.unwrap().barren_lives, 0);
    fixture.leases.close(driver.instance).await.unwrap();
    let (_, claim) = next_life(fixture).await;
    assert_eq!(claim.barren_lives, 1);
}
