//! Tasks that begin with a part of another (PROTOCOL 7, 20).

use std::time::Duration;

use holdfast_ports::Error;
use holdfast_types::journal::{Append, Claimant, Created, Fork, Hold, NewTask, Refusal, Reliance};
use holdfast_types::key::{Key, KeyOp};
use holdfast_types::{CallId, Payload, TaskId, TaskStatus};

use super::{Driver, Fixture, driven, event, ids, key, row, spec};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn reliance(key: &Key, generation: u32) -> Reliance {
    Reliance { call: "charge".parse::<CallId>().unwrap(), key: key.clone(), generation }
}

fn fork(fixture: &Fixture, source: TaskId, relies_on: Vec<Reliance>) -> Fork {
    let task = NewTask { events: vec![event("created"), event("inherited")], ..spec(fixture) };
    Fork { task, source, relies_on }
}

async fn done(fixture: &Fixture, driver: &mut Driver, key: &Key) {
    let claim = driver.claim(key);
    driver.append(fixture, claim).await;
    let done = driver.change(key, 1, KeyOp::Done { result: Payload::Json(1.into()) });
    driver.append(fixture, done).await;
}

async fn answered(fixture: &Fixture, key: &Key) -> u32 {
    fixture.keys.get(key).await.unwrap().unwrap().0.answered
}

async fn end(fixture: &Fixture, driver: &mut Driver) {
    let ended = Append { row: row(TaskStatus::Finished, None), hold: Hold::GiveBack, ..driver.request() };
    driver.append(fixture, ended).await;
}

pub async fn a_fork_brings_its_events_and_keeps_the_source_s_blobs(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let blob = fixture.blobs.put(b"result".to_vec(), "text/plain").await.unwrap();
    let mut append = source.request();
    append.events[0].blobs = vec![blob.sha256.clone()];
    source.append(fixture, append).await;
    end(fixture, &mut source).await;

    let mut wanted = fork(fixture, source.task, Vec::new());
    wanted.task.events[1].blobs = vec![blob.sha256.clone()];
    let id = wanted.task.id;
    let created = fixture.journal.fork(wanted).await.unwrap();
    assert_eq!(created, Created::New { epoch: 0, last_seq: 2 });
    let bodies: Vec<String> =
        fixture.journal.load(id).await.unwrap().events.into_iter().map(|event| event.body).collect();
    assert_eq!(bodies, [event("created").body, event("inherited").body]);
    assert_eq!(fixture.tasks.get(id).await.unwrap().status, TaskStatus::Queued);

    fixture.clock.advance(2 * DAY);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    assert_eq!(fixture.blobs.collect(10).await.unwrap(), 0);
    assert_eq!(fixture.blobs.get(&blob.sha256).await.unwrap(), b"result");
}

pub async fn a_fork_counts_in_what_it_relies_on(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let (charge, flight) = (key("charge"), key("flight"));
    done(fixture, &mut source, &charge).await;
    done(fixture, &mut source, &flight).await;
    for forks in 1..3 {
        // One that is named twice is one.
        let relies_on = vec![reliance(&charge, 1), reliance(&flight, 1), reliance(&charge, 1)];
        let created = fixture.journal.fork(fork(fixture, source.task, relies_on)).await.unwrap();
        assert!(matches!(created, Created::New { .. }));
        assert_eq!((answered(fixture, &charge).await, answered(fixture, &flight).await), (forks, forks));
    }
}

pub async fn a_source_asks_before_it_undoes_what_a_fork_relies_on(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let charge = key("charge");
    done(fixture, &mut source, &charge).await;
    fixture.journal.fork(fork(fixture, source.task, vec![reliance(&charge, 1)])).await.unwrap();
    let undo = source.change(&charge, 1, KeyOp::Tombstone);
    let Refusal::KeyHeld(row) = source.refused(fixture, undo).await else { panic!("refused otherwise") };
    assert_eq!((row.key, row.answered), (charge.clone(), 1));
    let undo = source.change(&charge, 1, KeyOp::TombstoneShared);
    source.append(fixture, undo).await;
}

pub async fn what_stands_no_more_is_not_relied_on(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let (undone, next, open) = (key("undone"), key("next"), key("open"));
    done(fixture, &mut source, &undone).await;
    let tombstone = source.change(&undone, 1, KeyOp::Tombstone);
    source.append(fixture, tombstone).await;
    done(fixture, &mut source, &next).await;
    let raised = source.change(&next, 1, KeyOp::NextGeneration);
    source.append(fixture, raised).await;
    let claim = source.claim(&open);
    source.append(fixture, claim).await;
    let wanted = [
        reliance(&undone, 1),
        reliance(&next, 1),
        reliance(&next, 2),
        reliance(&open, 1),
        reliance(&key("forgotten"), 1),
    ];
    for on in wanted {
        let refused = fixture.journal.fork(fork(fixture, source.task, vec![on.clone()])).await.unwrap_err();
        assert!(matches!(refused, Error::Stale { .. }), "{refused}");
        assert!(refused.to_string().contains("charge"), "{refused}");
    }
}

pub async fn a_refused_fork_leaves_no_trace(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let (stands, gone) = (key("stands"), key("gone"));
    done(fixture, &mut source, &stands).await;
    let wanted = fork(fixture, source.task, vec![reliance(&stands, 1), reliance(&gone, 1)]);
    let id = wanted.task.id;
    assert!(matches!(fixture.journal.fork(wanted.clone()).await, Err(Error::Stale { .. })));
    assert_eq!(answered(fixture, &stands).await, 0);
    assert!(matches!(fixture.tasks.get(id).await, Err(Error::NotFound { .. })));
    assert!(matches!(fixture.journal.load(id).await, Err(Error::NotFound { .. })));
    // It takes no place in the queue either.
    let mut next = Fork { relies_on: Vec::new(), ..wanted };
    next.task.queue_limit = 2;
    assert!(matches!(fixture.journal.fork(next).await.unwrap(), Created::New { .. }));
    let missing = Fork { relies_on: Vec::new(), ..fork(fixture, source.task, Vec::new()) };
    let mut missing = Fork { task: NewTask { queue_limit: 10, ..missing.task }, ..missing };
    missing.task.events[1].blobs = vec!["0".repeat(64)];
    assert!(matches!(fixture.journal.fork(missing).await, Err(Error::NotFound { .. })));
}

pub async fn the_same_fork_is_the_same_task(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let charge = key("charge");
    done(fixture, &mut source, &charge).await;
    let wanted = fork(fixture, source.task, vec![reliance(&charge, 1)]);
    assert!(matches!(fixture.journal.fork(wanted.clone()).await.unwrap(), Created::New { .. }));
    let Created::Same(row) = fixture.journal.fork(wanted.clone()).await.unwrap() else { panic!("another") };
    assert_eq!((row.id, row.last_seq), (wanted.task.id, 2));
    assert_eq!(answered(fixture, &charge).await, 1, "counted once");
    let mut other = wanted.clone();
    other.task.digest = "d2".to_owned();
    assert_eq!(fixture.journal.fork(other).await.unwrap(), Created::Conflict);
    // It is the same also when its source has gone.
    end(fixture, &mut source).await;
    fixture.clock.advance(DAY);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    assert!(matches!(fixture.journal.fork(wanted).await.unwrap(), Created::Same(_)));
    // Two at once are one.
    let (source, twice) = (driven(fixture).await, ids::task());
    let mut twin = fork(fixture, source.task, Vec::new());
    twin.task.id = twice;
    let (one, other) = futures::join!(fixture.journal.fork(twin.clone()), fixture.journal.fork(twin));
    let new = |created: &Created| matches!(created, Created::New { .. });
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(new(&one) != new(&other), "{one:?} {other:?}");
}

pub async fn a_fork_needs_its_source(fixture: &Fixture) {
    let nowhere = ids::task();
    let refused = fixture.journal.fork(fork(fixture, nowhere, Vec::new())).await.unwrap_err();
    assert!(matches!(&refused, Error::NotFound { what } if what.contains(&nowhere.to_string())), "{refused}");
    let source = driven(fixture).await;
    let mut claimed = fork(fixture, source.task, Vec::new());
    claimed.task.claimant = Some(Claimant { instance: ids::instance(), owner: ids::owner() });
    assert!(matches!(fixture.journal.fork(claimed.clone()).await, Err(Error::Stale { .. })));
    let instance = ids::instance();
    fixture.leases.open(instance).await.unwrap();
    claimed.task.claimant = Some(Claimant { instance, owner: ids::owner() });
    assert_eq!(fixture.journal.fork(claimed).await.unwrap(), Created::New { epoch: 1, last_seq: 2 });
}

pub async fn a_fork_outlives_its_source(fixture: &Fixture) {
    let mut source = driven(fixture).await;
    let charge = key("charge");
    done(fixture, &mut source, &charge).await;
    end(fixture, &mut source).await;
    let wanted = fork(fixture, source.task, vec![reliance(&charge, 1)]);
    let id = wanted.task.id;
    fixture.journal.fork(wanted).await.unwrap();
    fixture.clock.advance(DAY);
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    assert!(matches!(fixture.tasks.get(source.task).await, Err(Error::NotFound { .. })));
    assert_eq!(fixture.journal.load(id).await.unwrap().events.len(), 2);
}

pub async fn a_long_fork_comes_whole(fixture: &Fixture) {
    let source = driven(fixture).await;
    let mut wanted = fork(fixture, source.task, Vec::new());
    // More than one message of the wire takes.
    let text = "x".repeat(20_000);
    wanted.task.events = (0..400).map(|n| event(&format!("{n} {text}"))).collect();
    let (id, bodies) =
        (wanted.task.id, wanted.task.events.iter().map(|e| e.body.clone()).collect::<Vec<_>>());
    assert_eq!(fixture.journal.fork(wanted).await.unwrap(), Created::New { epoch: 0, last_seq: 400 });
    let read = fixture.journal.load(id).await.unwrap().events;
    assert_eq!(read.into_iter().map(|event| event.body).collect::<Vec<_>>(), bodies);
}
