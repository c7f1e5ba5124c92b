//! A waiting task is a row of a few hundred bytes that nobody reads before its time.

use std::time::Duration;

use holdfast_ports::Leases;
use holdfast_store::suite::{Fixture, ManualClock, driven, ids, row};
use holdfast_testkit::PostgresDatabase;
use holdfast_types::TaskStatus;
use holdfast_types::journal::{Append, Hold, RowUpdate};
use holdfast_types::task::WaitReason;
use sqlx::{Connection, PgConnection};

use crate::{config, open};

const WAITING: i64 = 20_000;

/// As many rows as the store left one, under other ids and with wake-ups spread over an hour.
const COPY: &str = "INSERT INTO tasks (id, epoch, last_seq, wake_at, submitted_at, updated_at, barren_lives, fertile, \
     last_append, status, waits_for, previous, namespace, name, digest, labels) \
     SELECT decode(md5(n::text), 'hex'), epoch, last_seq, wake_at + n * 180000, submitted_at + n, updated_at + n, \
     barren_lives, fertile, decode(md5((n + 1000000)::text), 'hex'), status, waits_for, previous, namespace, name, \
     repeat('d', 64), labels FROM tasks, generate_series(1, $1) AS n";

/// Rows of tasks that were read so far, by any way.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables \
         WHERE relname = 'tasks'",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

/// Waits until a closed store's connections have ended: a backend counts what it has read when it ends.
async fn alone(connection: &mut PgConnection) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                  AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_waiting_task_takes_less_than_a_kibibyte_and_is_not_read_before_its_time() {
    let database = PostgresDatabase::create().unwrap();
    let clock = ManualClock::default();
    let store = open(config(&database), &clock).await;
    let fixture = Fixture::new(store.clone(), clock.clone(), ());
    let mut driver = driven(&fixture).await;
    let wake_at = clock.now().after(Duration::from_secs(60));
    let waits = RowUpdate { waits_for: Some(WaitReason::Timer), ..row(TaskStatus::Waiting, Some(wake_at)) };
    driver.append(&fixture, Append { row: waits, hold: Hold::GiveBack, ..driver.request() }).await;
    store.close().await;

    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query(COPY).bind(WAITING).execute(&mut connection).await.unwrap();
    sqlx::query("VACUUM ANALYZE tasks").execute(&mut connection).await.unwrap();
    let size: i64 = sqlx::query_scalar("SELECT pg_total_relation_size('tasks')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let each = size / WAITING;
    println!("{each} bytes a waiting task, with its indexes");
    assert!(each < 1024, "{each} bytes");

    alone(&mut connection).await;
    let before = rows_read(&mut connection).await;
    let store = open(config(&database), &clock).await;
    let instance = ids::instance();
    Leases::open(&store, instance).await.unwrap();
    for _ in 0..50 {
        assert!(store.claim(instance, vec![ids::owner()], 1).await.unwrap().is_empty());
        assert_eq!(store.next_wake().await.unwrap(), Some(wake_at));
    }
    store.close().await;
    alone(&mut connection).await;
    let read = rows_read(&mut connection).await - before;
    // The look for the next wake-up reads the row that it tells of; the planner may look at an index's ends.
    assert!(read <= 60, "{read} rows of {WAITING} were read though none was due");
}
