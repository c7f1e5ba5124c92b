//! Many waiting tasks: rows of a few hundred bytes that nobody reads before their time. What SQLite does is counted in
//! steps of its virtual machine, of which each row that is looked at takes some.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Leases, Page, Tasks};
use holdfast_types::journal::{Append, Hold, RowUpdate, TaskFilter};
use holdfast_types::task::WaitReason;
use holdfast_types::{InstanceId, TaskStatus, Timestamp};
use sqlx::{Connection, SqliteConnection};

use super::failed::Failed;
use super::writer::{Tx, Write};
use super::{Fsync, SqliteConfig, SqliteStore};
use crate::suite::{Fixture, ManualClock, driven, ids, row};

const FEW: u32 = 100;
const MANY: u32 = 100_000;

/// How many tasks are due at once, besides those that wait.
const DUE: u32 = 32;

/// As many rows as the store left one, under ids of their own. Written behind the store's back: through it, a task a
/// transaction, they would take minutes.
const COPY: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
     INSERT INTO tasks (id, namespace, name, labels, digest, status, waits_for, epoch, last_seq, last_append, \
     wake_at, submitted_at, updated_at, barren_lives, previous, fertile) \
     SELECT randomblob(16), namespace, name, labels, digest, status, waits_for, epoch, last_seq, randomblob(16), \
     ?2 + n * 180000, submitted_at + n, updated_at + n, barren_lives, previous, fertile FROM tasks, n WHERE no = 1";

/// Has the writer's connection count its steps.
struct CountSteps(Arc<AtomicU64>);

#[async_trait]
impl Write for CountSteps {
    type Answer = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), Failed> {
        count(tx.open().await?, &self.0).await?;
        Ok(())
    }
}

async fn count(connection: &mut SqliteConnection, steps: &Arc<AtomicU64>) -> Result<(), sqlx::Error> {
    let steps = Arc::clone(steps);
    connection.lock_handle().await?.set_progress_handler(1, move || {
        steps.fetch_add(1, Ordering::Relaxed);
        true
    });
    Ok(())
}

/// A store with one waiting task, all of whose connections count.
struct Scene {
    store: SqliteStore,
    clock: ManualClock,
    instance: InstanceId,
    steps: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

/// What an instance asks for all the time, and what each question costs.
#[derive(Debug, PartialEq, Eq)]
struct Steps {
    claim_of_nothing: u64,
    next_wake: u64,
    page: u64,
    claim_of_due: u64,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SqliteConfig {
            fsync: Fsync::Never,
            readers: 1,
            ..SqliteConfig::new(folder.path().join("holdfast.db"))
        };
        let clock = ManualClock::default();
        let store = SqliteStore::open(config, clock.source()).await.unwrap();
        let fixture = Fixture::new(store.clone(), clock.clone(), ());
        let mut driver = driven(&fixture).await;
        let wake_at = clock.now().after(Duration::from_secs(60));
        let waits =
            RowUpdate { waits_for: Some(WaitReason::Timer), ..row(TaskStatus::Waiting, Some(wake_at)) };
        driver.append(&fixture, Append { row: waits, hold: Hold::GiveBack, ..driver.request() }).await;
        let instance = ids::instance();
        Leases::open(&store, instance).await.unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        store.write(CountSteps(Arc::clone(&steps))).await.unwrap();
        count(&mut store.readers().acquire().await.unwrap(), &steps).await.unwrap();
        Self { store, clock, instance, steps, folder }
    }

    async fn file(&self) -> SqliteConnection {
        let path = self.folder.path().join("holdfast.db");
        SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
    }

    /// Adds tasks that wake one after the other, from this time on.
    async fn add(&self, tasks: u32, from: Timestamp) {
        sqlx::query(COPY).bind(tasks).bind(from.micros()).execute(&mut self.file().await).await.unwrap();
    }

    async fn bytes(&self) -> u64 {
        let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let size: i64 = sqlx::query_scalar(size).fetch_one(&mut self.file().await).await.unwrap();
        size.unsigned_abs()
    }

    async fn of<T>(&self, asked: impl Future<Output = holdfast_ports::Result<T>>) -> (T, u64) {
        let before = self.steps.load(Ordering::Relaxed);
        let answer = asked.await.unwrap();
        (answer, self.steps.load(Ordering::Relaxed) - before)
    }

    async fn measure(&self) -> Steps {
        let store = &self.store;
        let owners = || std::iter::repeat_with(ids::owner).take(DUE as usize).collect();
        let (claimed, claim_of_nothing) = self.of(store.claim(self.instance, owners(), DUE)).await;
        assert_eq!(claimed, vec![]);
        let (wake_at, next_wake) = self.of(store.next_wake()).await;
        assert_eq!(wake_at, Some(self.clock.now().after(Duration::from_secs(60))));
        let filter = TaskFilter { statuses: vec![TaskStatus::Waiting], ..TaskFilter::default() };
        let (shown, page) = self.of(store.list(filter, Page { size: 20, token: None })).await;
        assert_eq!(shown.tasks.len(), 20);
        self.add(DUE, Timestamp::from_micros(1)).await;
        let (claimed, claim_of_due) = self.of(store.claim(self.instance, owners(), DUE)).await;
        assert_eq!(claimed.len(), DUE as usize);
        Steps { claim_of_nothing, next_wake, page, claim_of_due }
    }
}

#[tokio::test]
async fn a_hundred_thousand_waiting_tasks_cost_as_little_as_a_hundred() {
    let small = Scene::new().await;
    let much_later = small.clock.now().after(Duration::from_secs(600));
    small.add(FEW, much_later).await;
    let large = Scene::new().await;
    let empty = large.bytes().await;
    large.add(MANY, much_later).await;
    let each = (large.bytes().await - empty) / u64::from(MANY);
    println!("{each} bytes a waiting task, with its indexes");
    assert!(each < 1024, "{each} bytes");

    let (small, large) = (small.measure().await, large.measure().await);
    println!("{large:?}");
    assert_eq!(small, large, "{FEW} and {MANY} waiting tasks");
    // Rows that are read do show.
    assert!(large.claim_of_due > large.claim_of_nothing + u64::from(DUE), "{large:?}");
}
