//! Many waiting tasks: rows of a few hundred bytes that nobody reads before their time. What PostgreSQL reads is counted
//! by its own statistics.

use std::ops::Range;
use std::time::Duration;

use holdfast_ports::{Leases, Page, Tasks};
use holdfast_store::PostgresStore;
use holdfast_store::suite::{Fixture, ManualClock, driven, ids, row};
use holdfast_testkit::PostgresDatabase;
use holdfast_types::journal::{Append, Hold, RowUpdate, TaskFilter};
use holdfast_types::task::WaitReason;
use holdfast_types::{InstanceId, TaskId, TaskStatus, Timestamp};
use sqlx::{Connection, PgConnection};

use crate::{config, open};

const FEW: i32 = 10_000;
const MANY: i32 = 100_000;

/// How many tasks are due at once, besides those that wait.
const DUE: i32 = 32;

/// How often each question is asked.
const TIMES: i64 = 50;

const PAGE: u32 = 20;

/// So many rows may be read in all that no question is about: the planner looks at an index's ends.
const STRAY: i64 = 10;

/// Rows like that of one task, under ids of their own, numbered from $2 to $3. Written behind the store's back: through
/// it, a task a transaction, they would take minutes.
const COPY: &str = "INSERT INTO tasks (id, epoch, last_seq, wake_at, submitted_at, updated_at, barren_lives, fertile, \
     last_append, status, waits_for, previous, namespace, name, digest, labels) \
     SELECT decode(md5(n::text), 'hex'), epoch, last_seq, $4 + n::bigint * 180000, submitted_at + n, updated_at + n, \
     barren_lives, fertile, decode(md5((n + 1000000)::text), 'hex'), status, waits_for, previous, namespace, name, \
     repeat('d', 64), labels FROM tasks, generate_series($2, $3) AS n WHERE id = $1";

/// A database with tasks that wait, and one that wakes before them.
struct Scene {
    database: PostgresDatabase,
    clock: ManualClock,
    instance: InstanceId,
    first: (TaskId, Timestamp),
    /// Looks on.
    connection: PgConnection,
}

/// How many rows of tasks were read for what an instance asks all the time.
#[derive(Debug)]
struct Read {
    claims_of_nothing: i64,
    next_wakes: i64,
    pages: i64,
    claim_of_due: i64,
}

impl Scene {
    async fn new() -> Self {
        let database = PostgresDatabase::create().unwrap();
        let clock = ManualClock::default();
        let store = open(config(&database), &clock).await;
        let fixture = Fixture::new(store.clone(), clock.clone(), ());
        let mut driver = driven(&fixture).await;
        let wake_at = clock.now().after(Duration::from_secs(60));
        let waits =
            RowUpdate { waits_for: Some(WaitReason::Timer), ..row(TaskStatus::Waiting, Some(wake_at)) };
        driver.append(&fixture, Append { row: waits, hold: Hold::GiveBack, ..driver.request() }).await;
        let instance = ids::instance();
        Leases::open(&store, instance).await.unwrap();
        store.close().await;
        let connection = PgConnection::connect(&database.url()).await.unwrap();
        Self { database, clock, instance, first: (driver.task, wake_at), connection }
    }

    /// Adds tasks with these numbers; they wake one after the other, from this time on.
    async fn add(&mut self, numbers: Range<i32>, from: Timestamp) {
        sqlx::query(COPY)
            .bind(self.first.0.bytes().as_slice())
            .bind(numbers.start)
            .bind(numbers.end - 1)
            .bind(from.micros())
            .execute(&mut self.connection)
            .await
            .unwrap();
        sqlx::query("VACUUM ANALYZE tasks").execute(&mut self.connection).await.unwrap();
    }

    async fn number(&mut self, question: &'static str) -> i64 {
        sqlx::query_scalar(question).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Rows that were read so far, by any way. A backend tells what it has read when it ends.
    async fn rows_read(&mut self) -> i64 {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while self.number(others).await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.number(
            "SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables \
             WHERE relname = 'tasks'",
        )
        .await
    }

    /// How many rows a store reads, from its opening to its end.
    async fn read_by(&mut self, asked: impl AsyncFnOnce(&PostgresStore, InstanceId)) -> i64 {
        let before = self.rows_read().await;
        let store = open(config(&self.database), &self.clock).await;
        asked(&store, self.instance).await;
        store.close().await;
        self.rows_read().await - before
    }

    /// Asks everything; the numbers of the tasks that are due begin with `due`.
    async fn measure(&mut self, due: i32) -> Read {
        let owners = || std::iter::repeat_with(ids::owner).take(64).collect::<Vec<_>>();
        let claims_of_nothing = self
            .read_by(async |store, instance| {
                for _ in 0..TIMES {
                    assert_eq!(store.claim(instance, owners(), 64).await.unwrap(), vec![]);
                }
            })
            .await;
        let first = self.first.1;
        let next_wakes = self
            .read_by(async |store, _| {
                for _ in 0..TIMES {
                    assert_eq!(store.next_wake().await.unwrap(), Some(first));
                }
            })
            .await;
        let filter = TaskFilter { statuses: vec![TaskStatus::Waiting], ..TaskFilter::default() };
        let pages = self
            .read_by(async |store, _| {
                for _ in 0..TIMES {
                    let page = Page { size: PAGE, token: None };
                    assert_eq!(store.list(filter.clone(), page).await.unwrap().tasks.len(), PAGE as usize);
                }
            })
            .await;
        self.add(due..due + DUE, Timestamp::from_micros(1)).await;
        let claim_of_due = self
            .read_by(async |store, instance| {
                let claimed = store.claim(instance, owners(), 64).await.unwrap();
                assert_eq!(claimed.len(), DUE as usize);
            })
            .await;
        Read { claims_of_nothing, next_wakes, pages, claim_of_due }
    }
}

#[tokio::test]
async fn a_hundred_thousand_waiting_tasks_cost_as_little_as_a_few() {
    let mut scene = Scene::new().await;
    let much_later = scene.clock.now().after(Duration::from_secs(600));
    scene.add(0..FEW, much_later).await;
    let few = scene.measure(-DUE).await;
    scene.add(FEW..MANY, much_later).await;
    let size = scene.number("SELECT pg_total_relation_size('tasks')").await;
    let each = size / i64::from(MANY);
    println!("{each} bytes a waiting task, with its indexes");
    assert!(each < 1024, "{each} bytes");

    let many = scene.measure(-2 * DUE).await;
    println!("{FEW} wait: {few:?}\n{MANY} wait: {many:?}");
    assert!(many.claims_of_nothing <= STRAY, "{many:?}");
    // The look for the next wake-up may read the row that it tells of.
    assert!(many.next_wakes <= TIMES + STRAY, "{many:?}");
    // A page tells whether there is another by one row more.
    assert!(many.pages <= TIMES * i64::from(PAGE + 1) + STRAY, "{many:?}");
    assert!(many.claim_of_due <= few.claim_of_due + STRAY, "{few:?} {many:?}");
    assert!(many.claim_of_due >= i64::from(DUE), "what is read is counted: {many:?}");
}
