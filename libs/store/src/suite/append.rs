//! Appends: fenced, in their place, whole or not at all (PROTOCOL 3, 9, 17, 19).

use futures::future::join_all;
use holdfast_types::journal::{Append, Appended, Hold, Refusal, RowUpdate};
use holdfast_types::key::KeyOp;
use holdfast_types::{TaskOutcome, TaskStatus, task::WaitReason};

use super::{Fixture, driven, event, ids, key, row};

pub async fn events_are_numbered_without_gaps(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    for events in [1, 3, 2] {
        let append = Append { events: vec![event("x"); events], ..driver.request() };
        driver.append(fixture, append).await;
    }
    let loaded = fixture.journal.load(driver.task).await.unwrap();
    let seqs: Vec<u64> = loaded.events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7]);
    assert!(loaded.events.iter().all(|event| event.epoch == 1));
    let page = fixture.journal.events(driver.task, 2, 3).await.unwrap();
    assert_eq!(page, loaded.events[2..5]);
}

pub async fn a_stale_epoch_is_refused(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let stale = Append { epoch: 0, ..driver.request() };
    assert_eq!(driver.refused(fixture, stale).await, Refusal::StaleEpoch { epoch: 1 });
}

pub async fn another_owner_is_refused(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let other = Append { owner: ids::owner(), ..driver.request() };
    assert_eq!(driver.refused(fixture, other).await, Refusal::StaleEpoch { epoch: 1 });
}

pub async fn a_claim_that_was_given_back_writes_no_more(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    driver.give_back(fixture, row(TaskStatus::Waiting, None)).await;
    let late = driver.request();
    assert_eq!(driver.refused(fixture, late).await, Refusal::StaleEpoch { epoch: 1 });
    assert_eq!(fixture.tasks.get(driver.task).await.unwrap().owner, None);
}

pub async fn a_wrong_place_is_refused_with_the_right_one(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let append = driver.request();
    driver.append(fixture, append).await;
    for expected_seq in [1, 3] {
        let wrong = Append { expected_seq, ..driver.request() };
        assert_eq!(driver.refused(fixture, wrong).await, Refusal::SeqMismatch { last_seq: 2 });
    }
}

pub async fn the_same_append_again_is_success(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let append = Append { events: vec![event("a"), event("b")], ..driver.request() };
    driver.append(fixture, append.clone()).await;
    assert_eq!(fixture.journal.append(append).await.unwrap(), Appended::at(3));

    let last = Append {
        hold: Hold::GiveBack,
        row: row(TaskStatus::Queued, Some(fixture.clock.now())),
        ..driver.request()
    };
    driver.append(fixture, last.clone()).await;
    assert_eq!(fixture.journal.append(last.clone()).await.unwrap(), Appended::at(4));

    // Another has it now, and the answer to the repeat is still the truth: it was written.
    let other = ids::instance();
    fixture.leases.open(other).await.unwrap();
    fixture.leases.claim_one(other, ids::owner(), driver.task).await.unwrap().unwrap();
    assert_eq!(fixture.journal.append(last).await.unwrap(), Appended::at(4));
    assert_eq!(fixture.journal.load(driver.task).await.unwrap().events.len(), 4);
}

pub async fn an_earlier_append_again_is_a_mismatch(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let first = driver.request();
    driver.append(fixture, first.clone()).await;
    let second = driver.request();
    driver.append(fixture, second).await;
    assert_eq!(driver.refused(fixture, first).await, Refusal::SeqMismatch { last_seq: 3 });
}

pub async fn an_unknown_task_is_refused(fixture: &Fixture) {
    let driver = driven(fixture).await;
    let unknown = Append { task: ids::task(), ..driver.request() };
    assert_eq!(driver.refused(fixture, unknown).await, Refusal::NoSuchTask);
}

pub async fn a_refused_append_leaves_no_trace(fixture: &Fixture) {
    let (mut holder, other) = (driven(fixture).await, driven(fixture).await);
    let (held, free) = (key("held"), key("free"));
    let claim = holder.claim(&held);
    holder.append(fixture, claim).await;

    let before = fixture.tasks.get(other.task).await.unwrap();
    let mut append = other.claim(&free);
    append.keys.extend(other.claim(&held).keys);
    append.row = row(TaskStatus::Waiting, None);
    append.hold = Hold::GiveBack;
    assert!(
        matches!(other.refused(fixture, append).await, Refusal::KeyHeld(row) if row.holder == holder.holder())
    );
    assert_eq!(fixture.tasks.get(other.task).await.unwrap(), before);
    assert_eq!(fixture.journal.load(other.task).await.unwrap().events.len(), 1);
    assert_eq!(fixture.keys.get(&free).await.unwrap(), None);
}

pub async fn neighbours_of_refused_appends_succeed(fixture: &Fixture) {
    let mut drivers = Vec::new();
    for _ in 0..12 {
        drivers.push(driven(fixture).await);
    }
    // One key for all, in opposite orders with one of their own: no deadlock, one winner, and strangers unharmed.
    let shared = key("shared");
    let appends = drivers.iter().enumerate().map(|(n, driver)| {
        let mut append = driver.claim(&key(&format!("own-{n}")));
        match n % 3 {
            0 => append.keys.extend(driver.claim(&shared).keys),
            1 => append.keys.insert(0, driver.claim(&shared).keys.remove(0)),
            _ => {}
        }
        fixture.journal.append(append)
    });
    let answers: Vec<Appended> = join_all(appends).await.into_iter().map(Result::unwrap).collect();
    let (mut winners, mut refused) = (0, 0);
    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Appended::Ok { last_seq, .. } => {
                assert_eq!(*last_seq, 2);
                winners += usize::from(n % 3 != 2);
            }
            Appended::Refused(Refusal::KeyHeld(row)) => {
                assert!(n % 3 != 2 && row.key == shared);
                refused += 1;
                assert_eq!(fixture.keys.get(&key(&format!("own-{n}"))).await.unwrap(), None);
            }
            Appended::Refused(other) => panic!("{other}"),
        }
    }
    assert_eq!((winners, refused), (1, 7));
}

pub async fn an_append_may_hold_no_events(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let key = key("k");
    let append = Append { events: Vec::new(), ..driver.claim(&key) };
    let tokens = driver.append(fixture, append.clone()).await;
    assert_eq!(fixture.journal.append(append).await.unwrap(), Appended::Ok { last_seq: 1, tokens });
    let (row, _) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!(row.attempts, 1);
    let append = Append { events: Vec::new(), ..driver.change(&key, 1, KeyOp::GiveBack) };
    driver.append(fixture, append).await;
    assert_eq!(fixture.keys.get(&key).await.unwrap(), None);
}

pub async fn the_row_says_where_the_task_is(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    assert_eq!(fixture.tasks.get(driver.task).await.unwrap().status, TaskStatus::Running);
    let wake_at = Some(fixture.clock.now().after(std::time::Duration::from_secs(60)));
    let waiting = RowUpdate { waits_for: Some(WaitReason::Timer), ..row(TaskStatus::Waiting, wake_at) };
    let append = Append { row: waiting, ..driver.request() };
    driver.append(fixture, append).await;
    let seen = fixture.tasks.get(driver.task).await.unwrap();
    assert_eq!(
        (seen.status, seen.waits_for, seen.wake_at),
        (TaskStatus::Waiting, Some(WaitReason::Timer), wake_at)
    );
    assert_eq!((seen.owner, seen.last_seq, seen.epoch), (Some(driver.owner), 2, 1));

    fixture.clock.advance(std::time::Duration::from_secs(5));
    let ended = RowUpdate { outcome: Some(TaskOutcome::Degraded), ..row(TaskStatus::Finished, None) };
    driver.give_back(fixture, ended).await;
    let seen = fixture.tasks.get(driver.task).await.unwrap();
    assert_eq!((seen.status, seen.outcome), (TaskStatus::Finished, Some(TaskOutcome::Degraded)));
    assert_eq!((seen.waits_for, seen.owner), (None, None));
    assert_eq!(seen.finished_at, Some(fixture.clock.now()));
    assert_eq!(seen.updated_at, fixture.clock.now());
}

pub async fn many_events_fit_in_one_append(fixture: &Fixture) {
    let mut driver = driven(fixture).await;
    let append = Append { events: (0..1300).map(|n| event(&n.to_string())).collect(), ..driver.request() };
    driver.append(fixture, append).await;
    let loaded = fixture.journal.load(driver.task).await.unwrap();
    assert_eq!(loaded.events.len(), 1301);
    assert_eq!(loaded.events[1300].body, event("1299").body);
}
