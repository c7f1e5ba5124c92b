//! Several stores over one database, as replicas of checkpoint are (PROTOCOL 3, 9, 17, 19).

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use holdfast_ports::{Journal, Keys, Leases, Tasks};
use holdfast_store::suite::{Driver, Fixture, ManualClock, driven, event, ids, key, spec};
use holdfast_store::{Error, PostgresClock, PostgresConfig, PostgresStore};
use holdfast_testkit::PostgresDatabase;
use holdfast_types::journal::{Append, Appended, Created, PreviousLife, Refusal};
use sqlx::{Connection, PgConnection};

use crate::proxy::Proxy;
use crate::{config, open};

/// Two replicas over one fresh database.
struct Replicas {
    a: PostgresStore,
    b: PostgresStore,
    fixture: Fixture,
    database: PostgresDatabase,
}

async fn replicas() -> Replicas {
    let database = PostgresDatabase::create().unwrap();
    let clock = ManualClock::default();
    let config = PostgresConfig { poll: Duration::from_millis(20), ..config(&database) };
    let (a, b) = (open(config.clone(), &clock).await, open(config, &clock).await);
    let fixture = Fixture::new(a.clone(), clock, ());
    Replicas { a, b, fixture, database }
}

fn won(answer: &Appended) -> bool {
    match answer {
        Appended::Ok { last_seq, .. } => *last_seq == 2,
        Appended::Refused(Refusal::KeyHeld(_)) => false,
        Appended::Refused(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_that_claim_one_key_at_once_one_wins() {
    let replicas = replicas().await;
    for round in 0..30 {
        let (first, second) = (driven(&replicas.fixture).await, driven(&replicas.fixture).await);
        let key = key(&format!("k{round}"));
        let (a, b) =
            futures::join!(replicas.a.append(first.claim(&key)), replicas.b.append(second.claim(&key)));
        let (a, b) = (a.unwrap(), b.unwrap());
        let winner = match (won(&a), won(&b)) {
            (true, false) => &first,
            (false, true) => &second,
            _ => panic!("{a:?} {b:?}"),
        };
        let loser = if won(&a) { &b } else { &a };
        let (row, _) = replicas.a.get_key(&key).await;
        assert_eq!(row.holder, winner.holder());
        // The refusal names who holds it.
        assert_eq!(*loser, Appended::Refused(Refusal::KeyHeld(Box::new(row))));
    }
}

/// The two ports have a `get` each.
trait GetKey {
    async fn get_key(
        &self,
        key: &holdfast_types::Key,
    ) -> (holdfast_types::key::KeyRow, Vec<holdfast_types::key::LateEvidence>);
}

impl GetKey for PostgresStore {
    async fn get_key(
        &self,
        key: &holdfast_types::Key,
    ) -> (holdfast_types::key::KeyRow, Vec<holdfast_types::key::LateEvidence>) {
        Keys::get(self, key).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_claim_keys_in_opposite_orders_harm_no_strangers() {
    let Replicas { a, b, fixture, database: _database } = replicas().await;
    for round in 0..6 {
        let (mut pairs, mut strangers) = (Vec::new(), Vec::new());
        for pair in 0..10 {
            let keys = [key(&format!("x-{round}-{pair}")), key(&format!("y-{round}-{pair}"))];
            let (first, second) = (driven(&fixture).await, driven(&fixture).await);
            let (mut there, mut back) = (first.claim(&keys[0]), second.claim(&keys[1]));
            there.keys.extend(first.claim(&keys[1]).keys);
            back.keys.extend(second.claim(&keys[0]).keys);
            pairs.push((there, back));
            let stranger = driven(&fixture).await;
            strangers.push((pair, stranger.claim(&key(&format!("own-{round}-{pair}")))));
        }
        let contended = join_all(
            pairs.into_iter().map(|(there, back)| async { futures::join!(a.append(there), b.append(back)) }),
        );
        let alone = join_all(strangers.into_iter().map(|(n, append)| {
            let store = if n % 2 == 0 { &a } else { &b };
            store.append(append)
        }));
        let (contended, alone) = futures::join!(contended, alone);
        for (there, back) in contended {
            // Both keys go to one of them, never one to each.
            assert_eq!(usize::from(won(&there.unwrap())) + usize::from(won(&back.unwrap())), 1);
        }
        for answer in alone {
            assert!(matches!(answer.unwrap(), Appended::Ok { last_seq: 2, tokens } if tokens.len() == 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_give_each_task_to_one_instance() {
    let Replicas { a, b, fixture, database: _database } = replicas().await;
    let mut created = BTreeSet::new();
    for _ in 0..60 {
        let task = spec(&fixture);
        created.insert(task.id);
        assert!(matches!(a.create(task).await.unwrap(), Created::New { .. }));
    }
    let instances = [ids::instance(), ids::instance()];
    for instance in instances {
        Leases::open(&b, instance).await.unwrap();
    }
    let mut claimed = Vec::new();
    while claimed.len() < 60 {
        let claims = join_all((0..8).map(|n| {
            let store = if n % 2 == 0 { &a } else { &b };
            let owners = (0..5).map(|_| ids::owner()).collect();
            store.claim(instances[n / 2 % 2], owners, 5)
        }));
        let before = claimed.len();
        for claims in claims.await {
            claimed.extend(claims.unwrap().into_iter().map(|claim| (claim.task, claim.epoch)));
        }
        assert!(claimed.len() > before, "tasks that want a driver get none");
    }
    assert!(claimed.iter().all(|(_, epoch)| *epoch == 1));
    assert_eq!(claimed.iter().map(|(task, _)| *task).collect::<BTreeSet<_>>(), created);
    assert_eq!(claimed.len(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_sessions_tasks_are_taken_once_though_it_is_renewed_meanwhile() {
    let Replicas { a, b, fixture, database: _database } = replicas().await;
    let other = ids::instance();
    for _ in 0..10 {
        let old = driven(&fixture).await;
        // Just at the end of its lease both are asked: the renewal, and the takeover.
        fixture.clock.advance(Duration::from_millis(9_999));
        Leases::open(&b, other).await.unwrap();
        fixture.clock.advance(Duration::from_millis(1));
        let renewal = holdfast_ports::Renewal { instance: old.instance, driving: 1, digest: 0 };
        let (renewed, claimed) = futures::join!(a.renew(renewal), b.claim_one(other, ids::owner(), old.task));
        assert_eq!(renewed.unwrap(), holdfast_ports::Renewed::Ended);
        let claim = claimed.unwrap().unwrap();
        assert_eq!((claim.epoch, claim.previous), (2, PreviousLife::Lost));
        let refused = a.append(old.request()).await.unwrap();
        assert_eq!(refused, Appended::Refused(Refusal::StaleEpoch { epoch: 2 }));
        Leases::release(&b, claim.task, claim.epoch, claim.owner).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_answered_by_its_id_on_another_replica() {
    let replicas = replicas().await;
    let proxy = Proxy::start(&replicas.database.url()).await;
    let through_proxy = PostgresConfig { url: proxy.url(), ..config(&replicas.database) };
    let cut = open(through_proxy, &replicas.fixture.clock).await;
    let mut driver = driven(&replicas.fixture).await;
    driver.append(&Fixture::new(cut.clone(), replicas.fixture.clock.clone(), ()), driver.request()).await;
    for round in 0..3 {
        let append = driver.claim(&key(&format!("k{round}")));
        proxy.lose_the_next_commits_answer();
        let lost = cut.append(append.clone()).await.unwrap_err();
        assert!(lost.is_transient(), "{lost}");
        driver.seq += 1;
        let answer = replicas.b.append(append.clone()).await.unwrap();
        let row = replicas.fixture.keys.get(&append.keys[0].key).await.unwrap().unwrap().0;
        assert_eq!(answer, Appended::Ok { last_seq: driver.seq, tokens: vec![row.token] });
        // The replica that was cut off has a connection again.
        assert_eq!(cut.append(driver.request()).await.unwrap(), Appended::at(driver.seq + 1));
        driver.seq += 1;
    }
    let loaded = replicas.a.load(driver.task).await.unwrap();
    assert_eq!(loaded.events.len() as u64, driver.seq);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_what_another_replica_writes_in_order_and_without_gaps() {
    let Replicas { a: _, b, fixture, database: _database } = replicas().await;
    let mut driver = driven(&fixture).await;
    let strangers = join_all((0..4).map(|_| driven(&fixture))).await;
    let mut followers = Vec::new();
    for after in [0, 7] {
        followers.push((after, b.follow(driver.task, after).await.unwrap()));
    }
    let write = async {
        for n in 0..60 {
            let append = Append { events: vec![event("x"); n % 3 + 1], ..driver.request() };
            driver.append(&fixture, append).await;
        }
        driver.seq
    };
    let others = join_all(strangers.into_iter().map(|mut stranger: Driver| {
        let (store, clock) = (b.clone(), fixture.clock.clone());
        async move {
            let own = Fixture::new(store, clock, ());
            for _ in 0..20 {
                let append = stranger.request();
                stranger.append(&own, append).await;
            }
        }
    }));
    let read = join_all(followers.into_iter().map(|(after, mut events)| async move {
        let mut seen = after;
        // 60 appends of one to three events, after the task's first.
        while seen < 121 {
            let event = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
            seen += 1;
            assert_eq!(event.expect("the follower hears nothing").unwrap().unwrap().seq, seen);
        }
        seen
    }));
    let (last, _, seen) = futures::join!(write, others, read);
    assert_eq!((last, seen), (121, vec![121, 121]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_make_the_tables_once() {
    let database = PostgresDatabase::create().unwrap();
    let clock = ManualClock::default();
    let stores = join_all((0..6).map(|_| open(config(&database), &clock))).await;
    let fixture = Fixture::new(stores[0].clone(), clock.clone(), ());
    let driver = driven(&fixture).await;
    for store in &stores {
        assert_eq!(Tasks::get(store, driver.task).await.unwrap().last_seq, 1);
    }
    // A later release has raised the format.
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query("UPDATE meta SET value = '2' WHERE name = 'format'").execute(&mut connection).await.unwrap();
    let refused = PostgresStore::open(config(&database), PostgresClock::Database).await.unwrap_err();
    assert!(matches!(&refused, Error::NewerDatabase { found, known: 1, .. } if found == "2"), "{refused}");
}

#[tokio::test]
async fn leases_run_on_the_databases_clock() {
    let database = PostgresDatabase::create().unwrap();
    let config = PostgresConfig { lease: Duration::from_millis(400), ..config(&database) };
    let store = PostgresStore::open(config, PostgresClock::Database).await.unwrap();
    let fixture = Fixture::new(store.clone(), ManualClock::default(), ());
    let driver = driven(&fixture).await;
    let other = ids::instance();
    let claim = loop {
        let session = Leases::open(&store, other).await.unwrap();
        assert!(session.store_time.micros() > fixture.clock.now().micros(), "not the test's clock");
        if let Some(claim) = store.claim_one(other, ids::owner(), driver.task).await.unwrap() {
            break claim;
        }
    };
    assert_eq!((claim.epoch, claim.previous), (2, PreviousLife::Lost));
    let before = Leases::open(&store, ids::instance()).await.unwrap().store_time;
    let mut driver = Driver::of(other, &claim);
    let append = driver.claim(&key("k"));
    driver.append(&fixture, append).await;
    let after = Leases::open(&store, ids::instance()).await.unwrap().store_time;
    let (row, _) = store.get_key(&key("k")).await;
    for time in [row.since, Tasks::get(&store, driver.task).await.unwrap().updated_at] {
        assert!(before < time && time < after, "{before:?} {time:?} {after:?}");
    }
    assert!(store.next_wake().await.unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_may_lose_commits_is_refused() {
    let database = PostgresDatabase::create().unwrap();
    let found = PostgresStore::check(&config(&database)).await.unwrap().losses;
    assert_eq!(found.iter().map(|loss| loss.setting).collect::<Vec<_>>(), ["fsync"]);
    let strict = PostgresConfig::new(database.url());
    let refused = PostgresStore::open(strict, PostgresClock::Database).await.unwrap_err();
    assert!(refused.to_string().contains("ALTER SYSTEM SET fsync"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_its_password() {
    for url in ["postgres://u:hunter2@127.0.0.1:1/x", "hunter2", "postgres://u:hunter2@[/x", ""] {
        let refused =
            PostgresStore::open(PostgresConfig::new(url), PostgresClock::Database).await.unwrap_err();
        let shown = format!("{refused} {refused:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn an_append_that_the_database_cant_hold_fails_alone() {
    let Replicas { a, b: _, fixture, database: _database } = replicas().await;
    let drivers = join_all((0..8).map(|_| driven(&fixture))).await;
    let answers = join_all(drivers.iter().enumerate().map(|(n, driver)| {
        let mut append = driver.request();
        if n == 3 {
            // PostgreSQL's texts hold no NUL.
            append.events[0].body = "\"\0\"".to_owned();
        }
        a.append(append)
    }));
    for (n, answer) in answers.await.into_iter().enumerate() {
        if n == 3 {
            let error = answer.unwrap_err();
            assert!(matches!(error, holdfast_ports::Error::Invalid { .. }), "{error}");
        } else {
            assert_eq!(answer.unwrap(), Appended::at(2));
        }
    }
}
