//! Sessions: one lease an instance, and what becomes of its tasks when it ends (PROTOCOL 9, 17, 18).

use std::time::Duration;

use futures::StreamExt;
use holdfast_ports::{Error, Renewal, Renewed};
use holdfast_types::journal::{Append, PreviousLife, Refusal};
use holdfast_types::{InstanceId, OwnerId, TaskStatus};

use super::{Driver, Fixture, driven, ids, row};

fn renewal(instance: InstanceId, owners: &[OwnerId]) -> Renewal {
    let first_half = |owner: &OwnerId| u64::from_be_bytes(owner.bytes()[..8].try_into().unwrap());
    let digest = owners.iter().map(first_half).fold(0, |digest, half| digest ^ half);
    Renewal { instance, driving: owners.len() as u64, digest }
}

async fn take(fixture: &Fixture, instance: InstanceId) -> Option<Driver> {
    let claims = fixture.leases.claim(instance, vec![ids::owner()], 1).await.unwrap();
    claims.first().map(|claim| Driver::of(instance, claim))
}

pub async fn a_claim_needs_a_session(fixture: &Fixture) {
    let stranger = ids::instance();
    let refused = fixture.leases.claim(stranger, vec![ids::owner()], 1).await.unwrap_err();
    assert!(matches!(refused, Error::Stale { .. }));
    let session = fixture.leases.open(stranger).await.unwrap();
    assert_eq!(session.store_time, fixture.clock.now());
    assert!(take(fixture, stranger).await.is_none());
    fixture.clock.advance(session.lease);
    assert!(fixture.leases.claim(stranger, vec![ids::owner()], 1).await.is_err());
}

pub async fn tasks_of_a_silent_instance_are_free_when_its_lease_ends(fixture: &Fixture) {
    let mut silent = driven(fixture).await;
    let other = ids::instance();
    let lease = fixture.leases.open(other).await.unwrap().lease;
    fixture.clock.advance(lease / 2);
    fixture.leases.open(other).await.unwrap();
    assert!(take(fixture, other).await.is_none());
    fixture.clock.advance(lease / 2);
    // Nobody has taken it yet: what the silent one writes is in its place and harms nobody.
    let append = silent.request();
    silent.append(fixture, append).await;
    assert_eq!(fixture.leases.next_wake().await.unwrap(), Some(fixture.clock.now()));
    let new = take(fixture, other).await.unwrap();
    assert_eq!((new.task, new.epoch, new.seq), (silent.task, 2, 2));
    assert_eq!(silent.refused(fixture, silent.request()).await, Refusal::StaleEpoch { epoch: 2 });
}

pub async fn a_renewed_session_keeps_its_tasks(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let lease = fixture.leases.open(ids::instance()).await.unwrap().lease;
    for _ in 0..4 {
        fixture.clock.advance(lease / 2);
        let renewed = fixture.leases.renew(renewal(driver.instance, &[driver.owner])).await.unwrap();
        assert!(matches!(renewed, Renewed::Ok(session) if session.lease == lease));
    }
    let other = ids::instance();
    fixture.leases.open(other).await.unwrap();
    assert!(take(fixture, other).await.is_none());
}

pub async fn a_closed_session_frees_its_tasks_at_once(fixture: &Fixture) {
    let driver = driven(fixture).await;
    fixture.leases.close(driver.instance).await.unwrap();
    fixture.leases.close(ids::instance()).await.unwrap();
    let other = ids::instance();
    fixture.leases.open(other).await.unwrap();
    let claims = fixture.leases.claim(other, vec![ids::owner()], 1).await.unwrap();
    assert_eq!((claims[0].task, claims[0].previous), (driver.task, PreviousLife::Lost));
}

pub async fn a_session_that_has_ended_is_not_renewed(fixture: &Fixture) {
    let driver = driven(fixture).await;
    assert_eq!(fixture.leases.renew(renewal(ids::instance(), &[])).await.unwrap(), Renewed::Ended);
    fixture.leases.close(driver.instance).await.unwrap();
    let renewed = fixture.leases.renew(renewal(driver.instance, &[driver.owner])).await.unwrap();
    assert_eq!(renewed, Renewed::Ended);
}

pub async fn a_renewal_tells_of_unknown_claims(fixture: &Fixture) {
    let driver = driven(fixture).await;
    // The answer to the claim was lost: the instance drives nothing, the store thinks that it does.
    let renewed = fixture.leases.renew(renewal(driver.instance, &[])).await.unwrap();
    let Renewed::Differs { claims, .. } = renewed else { panic!("{renewed:?}") };
    assert_eq!(claims.len(), 1);
    assert_eq!((claims[0].task, claims[0].epoch, claims[0].owner), (driver.task, 1, driver.owner));
    // One of the right number but of another claim differs too.
    let renewed = fixture.leases.renew(renewal(driver.instance, &[ids::owner()])).await.unwrap();
    assert!(matches!(renewed, Renewed::Differs { .. }));
    fixture.leases.release(driver.task, 1, driver.owner).await.unwrap();
    let renewed = fixture.leases.renew(renewal(driver.instance, &[])).await.unwrap();
    assert!(matches!(renewed, Renewed::Ok(_)));
    assert_eq!(take(fixture, driver.instance).await.unwrap().task, driver.task);
}

pub async fn a_new_session_frees_what_the_old_one_held(fixture: &Fixture) {
    let driver = driven(fixture).await;
    fixture.leases.open(driver.instance).await.unwrap();
    assert_eq!(driver.refused(fixture, driver.request()).await, Refusal::StaleEpoch { epoch: 1 });
    let claims = fixture.leases.claim(driver.instance, vec![ids::owner()], 1).await.unwrap();
    assert_eq!((claims[0].task, claims[0].epoch, claims[0].barren_lives), (driver.task, 2, 0));
    assert_eq!(claims[0].previous, PreviousLife::Lost);
}

pub async fn a_finished_task_of_a_dead_session_is_nobodys(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let append = Append { row: row(TaskStatus::Finished, None), ..driver.request() };
    driver.append(fixture, append).await;
    fixture.leases.close(driver.instance).await.unwrap();
    let other = ids::instance();
    fixture.leases.open(other).await.unwrap();
    assert!(take(fixture, other).await.is_none());
    assert_eq!(fixture.tasks.get(driver.task).await.unwrap().owner, None);
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.leases.next_wake().await.unwrap(), None);
}

pub async fn a_session_that_fell_silent_is_ended_early(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let heard = fixture.clock.now();
    let mut wakeups = fixture.inbox.wakeups().await.unwrap();
    fixture.clock.advance(Duration::from_millis(200));
    assert!(fixture.leases.end_if_silent_since(driver.instance, heard).await.unwrap());
    // Whoever looks for work is told, and gets it.
    let woken = tokio::time::timeout(Duration::from_secs(20), wakeups.next()).await.unwrap();
    assert_eq!(woken, Some(driver.task));
    let other = ids::instance();
    fixture.leases.open(other).await.unwrap();
    assert_eq!(take(fixture, other).await.unwrap().task, driver.task);
    // It ends once.
    assert!(!fixture.leases.end_if_silent_since(driver.instance, fixture.clock.now()).await.unwrap());
    let renewed = fixture.leases.renew(renewal(driver.instance, &[driver.owner])).await.unwrap();
    assert_eq!(renewed, Renewed::Ended);
}

pub async fn a_session_that_was_heard_of_since_goes_on(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let heard = fixture.clock.now();
    fixture.clock.advance(Duration::from_millis(1));
    // It came back by another stream.
    fixture.leases.renew(renewal(driver.instance, &[driver.owner])).await.unwrap();
    fixture.clock.advance(Duration::from_millis(200));
    assert!(!fixture.leases.end_if_silent_since(driver.instance, heard).await.unwrap());
    assert!(!fixture.leases.end_if_silent_since(ids::instance(), fixture.clock.now()).await.unwrap());
    let renewed = fixture.leases.renew(renewal(driver.instance, &[driver.owner])).await.unwrap();
    assert!(matches!(renewed, Renewed::Ok(_)));
    let other = ids::instance();
    fixture.leases.open(other).await.unwrap();
    assert!(take(fixture, other).await.is_none());
}

pub async fn a_session_says_how_many_there_are(fixture: &Fixture) {
    let (a, b) = (ids::instance(), ids::instance());
    assert_eq!(fixture.leases.open(a).await.unwrap().instances, 1);
    let session = fixture.leases.open(b).await.unwrap();
    assert_eq!(session.instances, 2);
    let many = async |instance| match fixture.leases.renew(renewal(instance, &[])).await.unwrap() {
        Renewed::Ok(session) => session.instances,
        other => panic!("{other:?}"),
    };
    assert_eq!(many(a).await, 2);
    fixture.leases.close(b).await.unwrap();
    assert_eq!(many(a).await, 1);
    // A silent one counts until its lease ends.
    fixture.leases.open(b).await.unwrap();
    fixture.clock.advance(session.lease / 2);
    assert_eq!(many(a).await, 2);
    fixture.clock.advance(session.lease / 2);
    assert_eq!(many(a).await, 1);
}
