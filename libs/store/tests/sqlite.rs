//! What is SQLite's own: what stands in the file, what a broken one does, order within one process.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "common/backlog.rs"]
mod backlog;
#[path = "common/pruning.rs"]
mod pruning;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use holdfast_ports::{Blobs, Inbox, Journal, Keys, Leases, Tasks};
use holdfast_store::suite::{Driver, Fixture, ManualClock, driven, event, ids, key, row, spec};
use holdfast_store::{Backlog, Error, Fsync, Prunable, SqliteConfig, SqliteStore};
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Append, Appended, Created, Refusal};
use sqlx::{Connection, SqliteConnection};

fn config(folder: &tempfile::TempDir) -> SqliteConfig {
    SqliteConfig { fsync: Fsync::Never, ..SqliteConfig::new(folder.path().join("holdfast.db")) }
}

async fn open(config: &SqliteConfig) -> SqliteStore {
    SqliteStore::open(config.clone(), ManualClock::default().source()).await.unwrap()
}

fn fixture(store: &SqliteStore) -> Fixture {
    Fixture::new(store.clone(), ManualClock::default(), ())
}

/// Changes the file behind the store's back.
async fn tamper(path: &Path, statement: &'static str) {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
    sqlx::query("PRAGMA ignore_check_constraints = ON").execute(&mut connection).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_store_is_found_again_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let mut driver = driven(&fixture(&store)).await;
    let append = driver.claim(&key("k"));
    let tokens = driver.append(&fixture(&store), append.clone()).await;
    let row = Keys::get(&store, &key("k")).await.unwrap();
    store.close().await;
    assert!(store.append(driver.request()).await.unwrap_err().is_transient());

    let store = open(&config).await;
    assert_eq!(Keys::get(&store, &key("k")).await.unwrap(), row);
    // A repeat of the last append is still known for what it is.
    assert_eq!(store.append(append).await.unwrap(), Appended::Ok { last_seq: 2, tokens });
    driver.append(&fixture(&store), driver.request()).await;
}

#[tokio::test]
async fn a_follower_that_keeps_up_reads_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let fixture = fixture(&store);
    let mut driver = driven(&fixture).await;
    let mut events = store.follow(driver.task, 0).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().seq, 1);
    let append = Append { events: vec![event("x"); 10], ..driver.request() };
    driver.append(&fixture, append).await;
    // Who looks there now finds nothing.
    tamper(&config.path, "DELETE FROM events WHERE seq > 1").await;
    for seq in 2..=11 {
        assert_eq!(events.next().await.unwrap().unwrap().seq, seq);
    }
}

#[tokio::test]
async fn appends_of_one_task_work_in_the_order_in_which_they_were_sent() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&config(&folder)).await;
    let fixture = fixture(&store);
    let mut driver = driven(&fixture).await;
    let other = driven(&fixture).await;
    let first = driver.claim(&key("k"));
    driver.seq += 1;
    let second = Append { events: vec![event("a"), event("b")], ..driver.request() };
    driver.seq += 2;
    let third = driver.request();
    // All in one batch, a stranger's refused claim between them.
    let (a, x, b, c) = futures::join!(
        store.append(first),
        store.append(other.claim(&key("k"))),
        store.append(second.clone()),
        store.append(third)
    );
    assert!(matches!(a.unwrap(), Appended::Ok { last_seq: 2, tokens } if tokens.len() == 1));
    assert!(matches!(x.unwrap(), Appended::Refused(Refusal::KeyHeld(row)) if row.holder == driver.holder()));
    assert_eq!((b.unwrap(), c.unwrap()), (Appended::at(4), Appended::at(5)));
    // The same append twice in one batch is one.
    driver.seq = 5;
    let append = driver.request();
    let (a, b) = futures::join!(store.append(append.clone()), store.append(append));
    assert_eq!((a.unwrap(), b.unwrap()), (Appended::at(6), Appended::at(6)));
    assert_eq!(store.load(driver.task).await.unwrap().events.len(), 6);
}

#[tokio::test]
async fn an_append_and_the_release_after_it_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&config(&folder)).await;
    let driver = driven(&fixture(&store)).await;
    let late = Append { expected_seq: 2, ..driver.request() };
    let (a, b, c) = futures::join!(
        store.append(driver.request()),
        Leases::release(&store, driver.task, 1, driver.owner),
        store.append(late)
    );
    assert_eq!(a.unwrap(), Appended::at(2));
    b.unwrap();
    assert_eq!(c.unwrap(), Appended::Refused(Refusal::StaleEpoch { epoch: 1 }));
}

#[tokio::test]
async fn a_store_of_a_later_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    open(&config).await.close().await;
    tamper(&config.path, "UPDATE meta SET value = '2' WHERE name = 'format'").await;
    let refused = SqliteStore::open(config, ManualClock::default().source()).await.unwrap_err();
    assert!(matches!(&refused, Error::Newer { found, known: 1, .. } if found == "2"), "{refused}");
}

#[tokio::test]
async fn a_later_migration_of_the_same_format_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    open(&config).await.close().await;
    tamper(
        &config.path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 1)",
    )
    .await;
    open(&config).await.close().await;
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    std::fs::write(&config.path, "this is a text, and by no means a database file ".repeat(100)).unwrap();
    let refused = SqliteStore::open(config, ManualClock::default().source()).await.unwrap_err();
    assert!(matches!(refused, Error::Open { .. }), "{refused}");
    let nowhere = SqliteConfig::new(PathBuf::from("/nowhere/at/all/holdfast.db"));
    assert!(SqliteStore::open(nowhere, ManualClock::default().source()).await.is_err());
}

#[tokio::test]
async fn a_broken_row_harms_only_its_own_task() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let fixture = fixture(&store);
    let (broken, mut sound) = (driven(&fixture).await, driven(&fixture).await);
    let append = sound.claim(&key("k"));
    sound.append(&fixture, append).await;
    tamper(&config.path, "UPDATE tasks SET status = 'DREAMING', outcome = 'x' WHERE no = 1").await;
    tamper(&config.path, "UPDATE keys SET state = 'MAYBE'").await;

    let with_key = sound.claim(&key("k"));
    let (a, b, c) =
        futures::join!(store.append(broken.request()), store.append(with_key), store.append(sound.request()));
    assert!(matches!(a.unwrap_err(), holdfast_ports::Error::Corrupt { .. }));
    assert!(matches!(b.unwrap_err(), holdfast_ports::Error::Corrupt { .. }));
    assert_eq!(c.unwrap(), Appended::at(3));
    assert!(matches!(Tasks::get(&store, broken.task).await, Err(holdfast_ports::Error::Corrupt { .. })));
    assert!(matches!(Keys::get(&store, &key("k")).await, Err(holdfast_ports::Error::Corrupt { .. })));
}

#[tokio::test]
async fn a_journal_with_a_hole_is_not_folded() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let fixture = fixture(&store);
    let mut driver = driven(&fixture).await;
    let append = Append { events: vec![event("x"); 5], ..driver.request() };
    driver.append(&fixture, append).await;
    tamper(&config.path, "DELETE FROM events WHERE seq = 6").await;
    assert!(matches!(store.load(driver.task).await, Err(holdfast_ports::Error::Corrupt { .. })));
    tamper(&config.path, "DELETE FROM events WHERE seq = 3").await;
    assert!(matches!(store.load(driver.task).await, Err(holdfast_ports::Error::Corrupt { .. })));
}

#[tokio::test]
async fn a_blob_with_other_content_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let blob = Blobs::put(&store, b"true".to_vec(), "text/plain").await.unwrap();
    tamper(&config.path, "UPDATE blob_contents SET content = x'00'").await;
    assert!(matches!(Blobs::get(&store, &blob.sha256).await, Err(holdfast_ports::Error::Corrupt { .. })));
}

#[tokio::test]
async fn a_write_that_the_database_refuses_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let fixture = fixture(&store);
    let (victim, mut sound) = (driven(&fixture).await, driven(&fixture).await);
    // The index says that the victim's next event is there already: the batch as a whole is refused.
    tamper(
        &config.path,
        "INSERT INTO events (task, seq, epoch, at, kind, v, body) VALUES (1, 2, 1, 1, 'ghost', 1, '{}')",
    )
    .await;
    let (a, b) = futures::join!(store.append(victim.request()), store.append(sound.request()));
    assert!(matches!(a.unwrap_err(), holdfast_ports::Error::Corrupt { .. }));
    assert_eq!(b.unwrap(), Appended::at(2));
    sound.seq = 2;
    let append = sound.request();
    sound.append(&fixture, append).await;
    assert_eq!(Tasks::get(&store, victim.task).await.unwrap().last_seq, 1);
}

#[tokio::test]
async fn the_owner_of_the_folder_frees_the_tasks_of_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let store = open(&config).await;
    let dead = driven(&fixture(&store)).await;
    drop(store);
    let store = open(&config).await;
    assert_eq!(store.close_former_sessions().await.unwrap(), 1);
    let instance = ids::instance();
    Leases::open(&store, instance).await.unwrap();
    let claims = store.claim(instance, vec![ids::owner()], 1).await.unwrap();
    assert_eq!(claims[0].task, dead.task);
    let mut driver = Driver::of(instance, &claims[0]);
    driver.append(&fixture(&store), driver.request()).await;
}

#[tokio::test]
async fn whoever_drives_is_told_of_work() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&config(&folder)).await;
    let fixture = fixture(&store);
    let mut driver = driven(&fixture).await;
    let mut wakeups = store.wakeups().await.unwrap();
    let created = spec(&fixture);
    assert!(matches!(store.create(created.clone()).await.unwrap(), Created::New { .. }));
    driver.give_back(&fixture, row(TaskStatus::Waiting, Some(fixture.clock.now()))).await;
    let mut told = async || tokio::time::timeout(Duration::from_secs(20), wakeups.next()).await.unwrap();
    assert_eq!(told().await, Some(created.id));
    assert_eq!(told().await, Some(driver.task));
}

#[tokio::test]
async fn a_look_at_a_store_in_use_tells_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let missing = SqliteStore::survey(&config.path).await.unwrap_err();
    assert!(matches!(missing, Error::Open { .. }) && !config.path.exists(), "{missing}");
    let clock = ManualClock::default();
    let store = SqliteStore::open(config.clone(), clock.source()).await.unwrap();
    let work = pruning::fill(&Fixture::new(store.clone(), clock, ())).await;
    for _ in 0..2 {
        let found = SqliteStore::survey(&config.path).await.unwrap();
        assert_eq!(found.work.as_ref(), Some(&work));
        assert!(found.size.is_some_and(|size| size > 4096), "{found:?}");
    }
    // It holds nobody up, and finds the same where nobody is.
    store.close().await;
    assert_eq!(SqliteStore::survey(&config.path).await.unwrap().work, Some(work));
    tamper(&config.path, "UPDATE meta SET value = '99' WHERE name = 'format'").await;
    assert!(matches!(SqliteStore::survey(&config.path).await, Err(Error::Newer { .. })));
}

#[tokio::test]
async fn what_is_counted_is_what_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (config, clock) = (config(&folder), ManualClock::default());
    let store = SqliteStore::open(config.clone(), clock.source()).await.unwrap();
    let fixture = Fixture::new(store.clone(), clock.clone(), ());
    let began = clock.now();
    pruning::fill(&fixture).await;
    let count = async |before| SqliteStore::prunable(&config.path, before, clock.now()).await.unwrap();
    let before = clock.now();
    assert_eq!(count(before).await, Prunable { tasks: 1, ..Prunable::default() }, "the rest is too young");
    clock.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(count(began).await, Prunable { tasks: 0, keys: 0, blobs: 1 });
    let counted = count(before).await;
    assert_eq!(counted, pruning::GOES);
    assert_eq!(pruning::prune(&fixture, before).await, counted);
    assert_eq!(count(before).await, Prunable::default());
    store.close().await;
}

#[tokio::test]
async fn what_waits_is_counted_by_what_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = SqliteStore::open(config(&folder), clock.source()).await.unwrap();
    assert_eq!(store.backlog().await.unwrap(), Backlog::default());
    let fixture = Fixture::new(store.clone(), clock, ());
    backlog::fill(&fixture).await;
    assert_eq!(store.backlog().await.unwrap(), backlog::filled());
    // Whoever drives is silent for longer than its lease: its task wants another driver.
    fixture.clock.advance(Duration::from_secs(11));
    assert_eq!(store.backlog().await.unwrap(), Backlog { queued: 3, ..backlog::filled() });
}

#[tokio::test]
async fn commits_are_measured_with_what_they_took() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let clock = ManualClock::default();
    let store =
        SqliteStore::open_measured(config(&folder), clock.source(), telemetry.metrics()).await.unwrap();
    let fixture = Fixture::new(store.clone(), clock, ());
    let (first, second) = (driven(&fixture).await, driven(&fixture).await);
    let value = |series: &str| telemetry.scrape().unwrap().value(series).unwrap_or_default();
    let (commits, writes) = (value("holdfast_store_batch_count"), value("holdfast_store_batch_sum"));
    assert_eq!((commits, writes), (4.0, 4.0), "two sessions and two tasks, one after the other");
    let (a, b) = futures::join!(store.append(first.request()), store.append(second.request()));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(value("holdfast_store_batch_sum"), writes + 2.0);
    assert_eq!(value("holdfast_store_batch_count"), commits + 1.0, "both in one commit");
    assert_eq!(value("holdfast_store_commit_duration_seconds_count"), commits + 1.0);
}

#[tokio::test]
async fn what_would_go_of_a_store_of_an_earlier_release_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let (config, clock) = (config(&folder), ManualClock::default());
    SqliteStore::open(config.clone(), clock.source()).await.unwrap().close().await;
    tamper(&config.path, "DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let refused = SqliteStore::prunable(&config.path, clock.now(), clock.now()).await.unwrap_err();
    assert!(matches!(refused, Error::Outdated { found: 1, .. }), "{refused}");
}
