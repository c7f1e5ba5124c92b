//! Marks of restores (DESIGN section 11): nobody who drives a task misses one.

use std::time::Duration;

use holdfast_ports::Error;
use holdfast_types::Timestamp;
use holdfast_types::restore::{MarkMode, MarkRestored, Marked, Restore};

use super::{Fixture, driven, ids};

const HOUR: Duration = Duration::from_secs(3_600);

fn request(restored_at: Timestamp, mode: MarkMode) -> MarkRestored {
    MarkRestored { restored_at, by: "ada".to_owned(), mode }
}

/// An unfinished task whose driver is gone, an hour ago.
async fn left(fixture: &Fixture) -> Timestamp {
    let restored_at = fixture.clock.now();
    driven(fixture).await;
    fixture.clock.advance(HOUR);
    restored_at
}

pub async fn a_restore_is_marked_once_and_found_by_whoever_opens_a_session(fixture: &Fixture) {
    let restored_at = left(fixture).await;
    let restore = Restore { restored_at, marked_at: fixture.clock.now(), by: "ada".to_owned() };
    let marked = fixture.leases.mark_restored(request(restored_at, MarkMode::Write)).await.unwrap();
    assert_eq!(marked, Marked::Now { restore: restore.clone(), unfinished: 1 });
    fixture.clock.advance(HOUR);
    fixture.leases.open(ids::instance()).await.unwrap();
    assert_eq!(fixture.leases.restores().await.unwrap(), vec![restore.clone()]);
    // Again, with the platform at work: nothing is added, and nobody is disturbed.
    let again = fixture.leases.mark_restored(request(restored_at, MarkMode::Write)).await.unwrap();
    assert_eq!(again, Marked::Before { restore: restore.clone(), unfinished: 1 });
    fixture.clock.advance(HOUR);
    let later = restored_at.after(HOUR);
    fixture.leases.mark_restored(request(later, MarkMode::Write)).await.unwrap();
    let moments: Vec<_> = fixture.leases.restores().await.unwrap().iter().map(|r| r.restored_at).collect();
    assert_eq!(moments, [restored_at, later]);
}

pub async fn a_look_changes_nothing(fixture: &Fixture) {
    let restored_at = left(fixture).await;
    let marked = fixture.leases.mark_restored(request(restored_at, MarkMode::Look)).await.unwrap();
    assert!(matches!(marked, Marked::Now { unfinished: 1, .. }), "{marked:?}");
    assert!(fixture.leases.restores().await.unwrap().is_empty());
}

pub async fn a_store_at_work_is_not_marked(fixture: &Fixture) {
    let restored_at = left(fixture).await;
    let session = fixture.leases.open(ids::instance()).await.unwrap();
    for mode in [MarkMode::Look, MarkMode::Write] {
        let marked = fixture.leases.mark_restored(request(restored_at, mode)).await.unwrap();
        let until = fixture.clock.now().after(session.lease);
        assert_eq!(marked, Marked::InUse { instances: 1, until });
    }
    assert!(fixture.leases.restores().await.unwrap().is_empty());
    fixture.clock.advance(session.lease);
    let marked = fixture.leases.mark_restored(request(restored_at, MarkMode::Write)).await.unwrap();
    assert!(matches!(marked, Marked::Now { .. }), "{marked:?}");
}

pub async fn a_moment_that_is_to_come_is_refused(fixture: &Fixture) {
    let later = fixture.clock.now().after(HOUR);
    let refused = fixture.leases.mark_restored(request(later, MarkMode::Write)).await.unwrap_err();
    assert!(matches!(&refused, Error::Invalid { field, .. } if field == "restored_at"), "{refused:?}");
    assert!(fixture.leases.restores().await.unwrap().is_empty());
}
