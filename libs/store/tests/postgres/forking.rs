//! A fork and the retention of its source, on two connections (PROTOCOL 20).

use std::time::Duration;

use holdfast_ports::{Blobs, Error, Journal, Tasks};
use holdfast_store::PostgresStore;
use holdfast_store::suite::{Driver, Fixture, ManualClock, driven, event, row, spec};
use holdfast_testkit::PostgresDatabase;
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Append, Created, Fork, Hold, NewTask};
use sqlx::{Connection, PgConnection};

use crate::{config, open};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Two replicas over one database, in which a task has ended that retention would remove, with a blob.
struct Ended {
    a: PostgresStore,
    b: PostgresStore,
    fixture: Fixture,
    database: PostgresDatabase,
}

async fn ended() -> Ended {
    let database = PostgresDatabase::create().unwrap();
    let clock = ManualClock::default();
    let (a, b) = (open(config(&database), &clock).await, open(config(&database), &clock).await);
    Ended { fixture: Fixture::new(a.clone(), clock, ()), a, b, database }
}

impl Ended {
    /// A task that has ended, and the blob that its journal refers to.
    async fn source(&self, content: &str) -> (Driver, String) {
        let mut driver = driven(&self.fixture).await;
        let blob = self.a.put(content.as_bytes().to_vec(), "text/plain").await.unwrap();
        let mut append =
            Append { row: row(TaskStatus::Finished, None), hold: Hold::GiveBack, ..driver.request() };
        append.events[0].blobs = vec![blob.sha256.clone()];
        driver.append(&self.fixture, append).await;
        (driver, blob.sha256)
    }

    fn fork(&self, source: &Driver, blob: &str) -> Fork {
        let mut task = NewTask { events: vec![event("created"), event("inherited")], ..spec(&self.fixture) };
        task.events[1].blobs = vec![blob.to_owned()];
        Fork { task, source: source.task, relies_on: Vec::new() }
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.database.url()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_passes_a_source_over_that_is_being_forked() {
    let ended = ended().await;
    let (source, _) = ended.source("kept").await;
    ended.fixture.clock.advance(2 * DAY);
    let before = ended.fixture.clock.now();
    // A fork that has taken its lock, and no more yet.
    let mut fork = ended.connection().await;
    sqlx::raw_sql("BEGIN").execute(&mut fork).await.unwrap();
    sqlx::query("SELECT 1 FROM tasks WHERE id = $1 FOR SHARE")
        .bind(source.task.bytes().as_slice())
        .execute(&mut fork)
        .await
        .unwrap();
    assert_eq!(ended.b.prune(before, 10).await.unwrap(), 0, "it does not wait either");
    assert!(Tasks::get(&ended.b, source.task).await.is_ok());
    sqlx::raw_sql("COMMIT").execute(&mut fork).await.unwrap();
    assert_eq!(ended.b.prune(before, 10).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_waits_for_a_retention_that_was_first_and_finds_no_source() {
    let ended = ended().await;
    let (source, blob) = ended.source("gone").await;
    // A retention that has locked and removed the source, and has not committed.
    let mut prune = ended.connection().await;
    sqlx::raw_sql("BEGIN").execute(&mut prune).await.unwrap();
    for statement in ["SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE", "DELETE FROM tasks WHERE id = $1"] {
        sqlx::query(statement).bind(source.task.bytes().as_slice()).execute(&mut prune).await.unwrap();
    }
    let wanted = ended.fork(&source, &blob);
    let id = wanted.task.id;
    let store = ended.b.clone();
    let mut fork = tokio::spawn(async move { store.fork(wanted).await });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut fork).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    sqlx::raw_sql("COMMIT").execute(&mut prune).await.unwrap();
    let refused = fork.await.unwrap().unwrap_err();
    assert!(matches!(&refused, Error::NotFound { what } if *what == source.task.to_string()), "{refused}");
    assert!(matches!(Tasks::get(&ended.a, id).await, Err(Error::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_fork_and_a_retention_at_once_either_finds_all_or_nothing() {
    let ended = ended().await;
    let (mut forked, mut late) = (0, 0);
    for round in 0..40_u64 {
        let (source, blob) = ended.source(&format!("blob {round}")).await;
        ended.fixture.clock.advance(2 * DAY);
        let before = ended.fixture.clock.now();
        let wanted = ended.fork(&source, &blob);
        let id = wanted.task.id;
        // Neither always comes first.
        let fork = async {
            tokio::time::sleep(Duration::from_micros(round * 100)).await;
            ended.a.fork(wanted).await
        };
        let prune = async {
            tokio::time::sleep(Duration::from_micros(1_500)).await;
            let removed = ended.b.prune(before, 10).await.unwrap();
            (removed, ended.b.collect(10).await.unwrap())
        };
        let (created, (removed, _)) = futures::join!(fork, prune);
        match created {
            Ok(created) => {
                assert_eq!(created, Created::New { epoch: 0, last_seq: 2 });
                ended.b.prune(before, 10).await.unwrap();
                ended.b.collect(10).await.unwrap();
                // The source has gone, and all that the fork refers to is there.
                assert!(matches!(Tasks::get(&ended.a, source.task).await, Err(Error::NotFound { .. })));
                assert_eq!(ended.a.load(id).await.unwrap().events.len(), 2);
                assert_eq!(Blobs::get(&ended.a, &blob).await.unwrap(), format!("blob {round}").into_bytes());
                forked += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::NotFound { .. }), "{error}");
                assert_eq!(removed, 1);
                assert!(matches!(Tasks::get(&ended.a, id).await, Err(Error::NotFound { .. })));
                late += 1;
            }
        }
    }
    assert_eq!(forked + late, 40);
}
