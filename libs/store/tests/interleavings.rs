//! Random interleavings of several drivers: whatever they do, journals have no gaps, an epoch has one owner, and a key
//! one holder.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use holdfast_store::suite::{Driver, Fixture, ManualClock, driven, event, ids, key, row};
use holdfast_store::{Fsync, SqliteConfig, SqliteStore};
use holdfast_types::journal::{Append, Appended, Hold, Progress, Refusal};
use holdfast_types::key::KeyOp;
use holdfast_types::{OwnerId, Payload, TaskId, TaskStatus};
use proptest::prelude::*;

/// How a driver settles its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settle {
    GiveBack,
    Done,
    InDoubt,
    Tombstone,
    NextGeneration,
    Answered,
}

const SETTLES: [Settle; 6] = [
    Settle::GiveBack,
    Settle::Done,
    Settle::InDoubt,
    Settle::Tombstone,
    Settle::NextGeneration,
    Settle::Answered,
];

/// What one driver does next.
#[derive(Debug, Clone)]
enum Step {
    Append { events: usize },
    Repeat,
    Claim { key: u8, generation: u32 },
    Settle { key: u8, generation: u32, how: Settle },
    GiveBack,
    Release,
    Die,
    Reclaim,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..4).prop_map(|events| Step::Append { events }),
        1 => Just(Step::Repeat),
        5 => (0_u8..3, 1_u32..3).prop_map(|(key, generation)| Step::Claim { key, generation }),
        4 => (0_u8..3, 1_u32..3, 0_usize..6)
            .prop_map(|(key, generation, how)| Step::Settle { key, generation, how: SETTLES[how] }),
        1 => Just(Step::GiveBack),
        1 => Just(Step::Release),
        1 => Just(Step::Die),
        3 => Just(Step::Reclaim),
        1 => Just(Step::Wait),
    ]
}

/// A driver that goes on believing in its claim, also when others know better.
struct Actor {
    driver: Driver,
    last: Option<Append>,
}

/// What all drivers have been told.
#[derive(Default)]
struct Told {
    /// The owner of each claim.
    owners: HashMap<(TaskId, u64), OwnerId>,
    /// The epoch under which each event was acknowledged.
    events: HashMap<(TaskId, u64), u64>,
    /// Who may execute under a key, as far as the drivers know: two at once would be two effects.
    keys: HashMap<u8, (u32, Holding)>,
}

/// What the drivers know of a key that is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// This task was told that it may execute, and has not said how it ended.
    Executing(TaskId),
    /// It was executed or undone: nobody may, before the next generation.
    Settled,
}

async fn act(fixture: &Fixture, actor: &mut Actor, step: &Step) -> Vec<(u64, u64)> {
    let driver = &mut actor.driver;
    let append = match step {
        Step::Append { events } => Append { events: vec![event("x"); *events], ..driver.request() },
        Step::Repeat => match &actor.last {
            Some(append) => append.clone(),
            None => return Vec::new(),
        },
        Step::Claim { key: n, generation } => {
            driver.change(&key(&n.to_string()), *generation, KeyOp::Claim { fingerprint: "f1".to_owned() })
        }
        Step::Settle { key: n, generation, how } => {
            let op = match how {
                Settle::GiveBack => KeyOp::GiveBack,
                Settle::Done => KeyOp::Done { result: Payload::null() },
                Settle::InDoubt => KeyOp::InDoubt,
                Settle::Tombstone => KeyOp::Tombstone,
                Settle::NextGeneration => KeyOp::NextGeneration,
                Settle::Answered => KeyOp::Answered { blob: None },
            };
            Append { progress: Progress::Outcome, ..driver.change(&key(&n.to_string()), *generation, op) }
        }
        Step::GiveBack => Append {
            hold: Hold::GiveBack,
            row: row(TaskStatus::Waiting, Some(fixture.clock.now())),
            ..driver.request()
        },
        Step::Release => {
            fixture.leases.release(driver.task, driver.epoch, driver.owner).await.unwrap();
            return Vec::new();
        }
        Step::Die => {
            fixture.leases.close(driver.instance).await.unwrap();
            return Vec::new();
        }
        Step::Wait => {
            fixture.clock.advance(Duration::from_secs(4));
            return Vec::new();
        }
        Step::Reclaim => return Vec::new(),
    };
    let (epoch, expected, events) = (append.epoch, append.expected_seq, append.events.len() as u64);
    let answer = fixture.journal.append(append.clone()).await.unwrap();
    match answer {
        Appended::Ok { last_seq, .. } => {
            assert_eq!(last_seq, expected + events);
            driver.seq = driver.seq.max(last_seq);
            actor.last = Some(append);
            (expected + 1..=last_seq).map(|seq| (seq, epoch)).collect()
        }
        Appended::Refused(Refusal::SeqMismatch { last_seq }) => {
            driver.seq = last_seq;
            Vec::new()
        }
        Appended::Refused(_) => Vec::new(),
    }
}

/// A new instance takes whatever is free, in the place of an actor.
async fn reclaim(fixture: &Fixture, told: &mut Told) -> Option<Actor> {
    let instance = ids::instance();
    fixture.leases.open(instance).await.unwrap();
    let claim = fixture.leases.claim(instance, vec![ids::owner()], 1).await.unwrap().pop()?;
    let before = told.owners.insert((claim.task, claim.epoch), claim.owner);
    assert_eq!(before, None, "epoch {} of {} was given out twice", claim.epoch, claim.task);
    Some(Actor { driver: Driver::of(instance, &claim), last: None })
}

async fn run(rounds: Vec<Vec<Step>>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let config = SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("holdfast.db")) };
    let store = SqliteStore::open(config, clock.source()).await.unwrap();
    let fixture = Fixture::new(store, clock, folder);
    let mut told = Told::default();
    let mut actors = Vec::new();
    for _ in 0..4 {
        let driver = driven(&fixture).await;
        told.owners.insert((driver.task, 1), driver.owner);
        actors.push(Actor { driver, last: None });
    }
    let tasks: Vec<TaskId> = actors.iter().map(|actor| actor.driver.task).collect();
    for steps in rounds {
        // All at once: they meet in the writer's batches.
        let acts = actors.iter_mut().zip(&steps).map(|(actor, step)| act(&fixture, actor, step));
        let written = join_all(acts).await;
        for ((actor, step), events) in actors.iter_mut().zip(&steps).zip(written) {
            let task = actor.driver.task;
            if !events.is_empty() {
                told.note(step, task);
            }
            for (seq, epoch) in events {
                let before = told.events.insert((task, seq), epoch);
                assert!(
                    before.is_none_or(|before| before == epoch),
                    "event {seq} of {task} was written twice"
                );
            }
            if matches!(step, Step::Reclaim)
                && let Some(next) = reclaim(&fixture, &mut told).await
            {
                *actor = next;
            }
        }
    }
    journals_are_whole(&fixture, &tasks, &told).await;
}

impl Told {
    /// Follows the keys: the store takes the appends of a round in the order of the actors.
    fn note(&mut self, step: &Step, task: TaskId) {
        match step {
            Step::Claim { key, generation } => {
                let before = self.keys.insert(*key, (*generation, Holding::Executing(task)));
                let allowed = before.is_none_or(|before| before == (*generation, Holding::Executing(task)));
                assert!(allowed, "{task} may execute under key {key}, though {before:?}");
            }
            Step::Settle { key, generation, how } => {
                // What is said of another generation than the present one changes nothing.
                let Some((_, holding)) = self.keys.get(key).filter(|(known, _)| known == generation) else {
                    return;
                };
                let own = *holding == Holding::Executing(task);
                let settled = *holding == Holding::Settled;
                match how {
                    Settle::Done | Settle::Tombstone if own => {
                        self.keys.insert(*key, (*generation, Holding::Settled));
                    }
                    Settle::GiveBack if own => {
                        self.keys.remove(key);
                    }
                    Settle::NextGeneration if own || settled => {
                        self.keys.remove(key);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

async fn journals_are_whole(fixture: &Fixture, tasks: &[TaskId], told: &Told) {
    for task in tasks {
        let events = fixture.journal.load(*task).await.unwrap().events;
        let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
        assert!(
            events.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch),
            "an old epoch wrote after a new one"
        );
        for event in &events {
            if let Some(epoch) = told.events.get(&(*task, event.seq)) {
                assert_eq!(*epoch, event.epoch, "an acknowledged event of {task} was replaced");
            }
        }
        let acknowledged = told.events.keys().filter(|(of, _)| of == task).map(|(_, seq)| *seq).max();
        assert!(
            acknowledged.is_none_or(|seq| seq <= events.len() as u64),
            "an acknowledged event of {task} is gone"
        );
        let row = fixture.tasks.get(*task).await.unwrap();
        if let Some(owner) = row.owner {
            assert_eq!(told.owners.get(&(*task, row.epoch)), Some(&owner));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn drivers_never_break_each_other(rounds in prop::collection::vec(prop::collection::vec(step(), 4), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(rounds));
    }
}
