//! The one writer: everything that waits goes into one transaction, and is answered after its commit.
//!
//! ```text
//! callers --jobs--> gather -> BEGIN, appends as one group, other writes one by one, COMMIT -> news, answers
//! ```
//!
//! A transaction that the database refuses is run again whole, then one job at a time, so that a job that can't be
//! written fails alone (PROTOCOL 19).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use holdfast_ports::{Error, Result};
use holdfast_telemetry::Metrics;
use holdfast_types::Timestamp;
use holdfast_types::journal::{Append, Appended};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::append;
use super::failed::{Failed, to_error};
use super::trouble::Trouble;
use super::{Clock, SqliteConfig};
use crate::notices::{News, Notices};

/// As many jobs as one commit takes; more in the channel would only wait there instead of at their callers.
const BATCH: usize = 256;

/// A write other than an append. It runs within a batch's transaction, perhaps more than once, so it keeps nothing
/// between runs; and it refuses before it writes, never after.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    /// What its caller gets.
    type Answer: Send + 'static;

    /// Reads, decides and writes.
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, Failed>;
}

/// The transaction of a batch.
pub(super) struct Tx<'c> {
    connection: &'c mut SqliteConnection,
    stage: Stage,
    /// The store's clock when the transaction began.
    pub(super) now: Timestamp,
    /// The store's configuration.
    pub(super) config: &'c SqliteConfig,
    /// What is to be told after the commit.
    pub(super) news: News,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Open,
    Committed,
}

impl Tx<'_> {
    /// The connection, within the transaction.
    pub(super) async fn open(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        if self.stage == Stage::Before {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *self.connection).await?;
            self.stage = Stage::Open;
        }
        Ok(self.connection)
    }

    /// The connection, and what must stand before the next statement's text: fewer statements, fewer hops to the
    /// connection's thread.
    pub(super) fn open_with_text(&mut self) -> (&mut SqliteConnection, &'static str) {
        let text = if self.stage == Stage::Before { "BEGIN IMMEDIATE;" } else { "" };
        self.stage = Stage::Open;
        (self.connection, text)
    }

    /// Notes that the last statement's text held the commit.
    pub(super) fn committed(&mut self) {
        self.stage = Stage::Committed;
    }

    async fn finish(&mut self) -> Result<(), sqlx::Error> {
        if self.stage == Stage::Open {
            sqlx::query("COMMIT").execute(&mut *self.connection).await?;
        }
        self.stage = Stage::Committed;
        Ok(())
    }
}

/// An append that waits for its answer.
pub(super) struct PendingAppend {
    /// The append.
    pub(super) append: Append,
    /// Its answer, once the batch has run.
    pub(super) answer: Option<Result<Appended>>,
    to: oneshot::Sender<Result<Appended>>,
}

enum Job {
    Append(Box<PendingAppend>),
    Write(Box<dyn PendingWrite>),
}

/// A write of any kind that waits for its answer.
#[async_trait]
trait PendingWrite: Send {
    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error>;
    fn answer(self: Box<Self>);
    fn fail(self: Box<Self>, error: Error);
}

struct Pending<W: Write> {
    write: W,
    answer: Option<Result<W::Answer>>,
    to: oneshot::Sender<Result<W::Answer>>,
}

#[async_trait]
impl<W: Write> PendingWrite for Pending<W> {
    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        self.answer = Some(match self.write.run(tx).await {
            Ok(answer) => Ok(answer),
            Err(Failed::Refused(error)) => Err(error),
            Err(Failed::Sql(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>) {
        let answer = self.answer.unwrap_or_else(|| Err(stopped()));
        // A caller that has gone needs no answer.
        let _ = self.to.send(answer);
    }

    fn fail(self: Box<Self>, error: Error) {
        let _ = self.to.send(Err(error));
    }
}

impl Job {
    fn answer(self) {
        match self {
            Self::Append(pending) => {
                let answer = pending.answer.unwrap_or_else(|| Err(stopped()));
                let _ = pending.to.send(answer);
            }
            Self::Write(pending) => pending.answer(),
        }
    }

    fn fail(self, error: Error) {
        match self {
            Self::Append(pending) => {
                let _ = pending.to.send(Err(error));
            }
            Self::Write(pending) => pending.fail(error),
        }
    }
}

/// The callers' end of the writer.
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the writer's task on the present runtime.
    pub(super) fn start(
        connection: SqliteConnection,
        notices: Arc<Notices>,
        clock: Clock,
        config: SqliteConfig,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (jobs, inbox) = mpsc::channel(BATCH);
        let run = Loop { connection, inbox, notices, clock, config, metrics, trouble: Trouble::default() };
        let task = tokio::spawn(run.run());
        Self { jobs: Mutex::new(Some(jobs)), task: Mutex::new(Some(task)) }
    }

    /// Appends, together with whatever else waits.
    pub(super) async fn append(&self, append: Append) -> Result<Appended> {
        let (to, answer) = oneshot::channel();
        self.send(Job::Append(Box::new(PendingAppend { append, answer: None, to }))).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Writes, together with whatever else waits.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        let (to, answer) = oneshot::channel();
        self.send(Job::Write(Box::new(Pending { write, answer: None, to }))).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn send(&self, job: Job) -> Result<()> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        jobs.ok_or_else(stopped)?.send(job).await.map_err(|_| stopped())
    }

    /// Takes no more jobs, and waits until those that wait are written.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

fn stopped() -> Error {
    Error::Unavailable { what: "the store", why: "its writer has stopped".to_owned(), retry_after: None }
}

struct Loop {
    connection: SqliteConnection,
    inbox: mpsc::Receiver<Job>,
    notices: Arc<Notices>,
    clock: Clock,
    config: SqliteConfig,
    metrics: Arc<Metrics>,
    trouble: Trouble,
}

impl Loop {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.inbox.recv_many(&mut batch, BATCH).await > 0 {
            self.gather(&mut batch).await;
            self.commit(std::mem::take(&mut batch)).await;
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the database failed");
        }
    }

    /// Lets callers that are ready to run send their jobs first: those that the last commit has just answered come
    /// back together, and one commit for all of them is cheaper than two.
    async fn gather(&mut self, batch: &mut Vec<Job>) {
        while batch.len() < BATCH {
            let before = batch.len();
            tokio::task::yield_now().await;
            while batch.len() < BATCH
                && let Ok(job) = self.inbox.try_recv()
            {
                batch.push(job);
            }
            if batch.len() == before {
                return;
            }
        }
    }

    async fn commit(&mut self, mut batch: Vec<Job>) {
        let began = Instant::now();
        for _ in 1..=2 {
            if self.transact(&mut batch).await.is_ok() {
                self.metrics.commit(batch.len(), began.elapsed());
                return batch.into_iter().for_each(Job::answer);
            }
        }
        for job in batch {
            let mut alone = [job];
            let outcome = self.transact(&mut alone).await;
            let [job] = alone;
            match outcome {
                Ok(()) => job.answer(),
                Err(error) => job.fail(to_error("the store", &error)),
            }
        }
    }

    async fn transact(&mut self, jobs: &mut [Job]) -> Result<(), sqlx::Error> {
        let mut tx = Tx {
            connection: &mut self.connection,
            stage: Stage::Before,
            now: (self.clock)(),
            config: &self.config,
            news: News::default(),
        };
        let outcome = run_jobs(&mut tx, jobs).await;
        let news = std::mem::take(&mut tx.news);
        match outcome {
            Ok(()) => self.notices.publish(news),
            // Fails where nothing was begun, and that is fine.
            Err(_) => drop(sqlx::query("ROLLBACK").execute(&mut self.connection).await),
        }
        self.trouble.note(jobs.len(), &outcome);
        outcome
    }
}

/// Runs the jobs in their order, consecutive appends as one group.
async fn run_jobs(tx: &mut Tx<'_>, jobs: &mut [Job]) -> Result<(), sqlx::Error> {
    let mut rest = jobs;
    while let [first, ..] = rest {
        if let Job::Write(write) = first {
            write.run(tx).await?;
            rest = &mut rest[1..];
            continue;
        }
        let end = rest.iter().position(|job| matches!(job, Job::Write(_))).unwrap_or(rest.len());
        let (group, after) = rest.split_at_mut(end);
        let appends = group.iter_mut().filter_map(|job| match job {
            Job::Append(pending) => Some(&mut **pending),
            Job::Write(_) => None,
        });
        append::run(tx, appends.collect(), after.is_empty()).await?;
        rest = after;
    }
    tx.finish().await
}
