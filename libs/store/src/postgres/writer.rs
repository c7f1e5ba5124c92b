//! The writers of appends: everything that waits goes into one transaction, and is answered after its commit.
//!
//! ```text
//! callers --appends, by task--> gather -> BEGIN, lock and read, decide, write, COMMIT -> news, answers
//! ```
//!
//! A batch that the database aborts is run again whole, then one append at a time, so that one that can't be written
//! fails alone (PROTOCOL 19). A batch whose connection is lost at the commit is answered with an error: its callers
//! send the same appends again, whose ids make that harmless (PROTOCOL 9).

use std::sync::{Arc, Mutex, PoisonError, Weak};

use holdfast_ports::{Error, Result};
use holdfast_types::journal::{Append, Appended};
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::failed::{Failed, unavailable};
use super::tx::{Tx, abandon, hang_up, is_lost, pause, silent};
use super::{Inner, append};
use crate::notices::News;

/// As many appends as one commit takes; more in the channel would only wait there instead of at their callers.
const BATCH: usize = 256;

/// A batch is run so often as a whole, before its appends are run one by one.
const RUNS: u32 = 5;

/// An append that waits for its answer.
pub(super) struct PendingAppend {
    /// The append.
    pub(super) append: Append,
    /// Its answer, once the batch has run.
    pub(super) answer: Option<Result<Appended>>,
    to: oneshot::Sender<Result<Appended>>,
}

impl PendingAppend {
    fn answer(self) {
        let answer = self.answer.unwrap_or_else(|| Err(stopped()));
        // A caller that has gone needs no answer.
        let _ = self.to.send(answer);
    }

    fn fail(self, error: Error) {
        let _ = self.to.send(Err(error));
    }
}

/// The callers' end of the writers. The appends of one task go to one writer, in their order.
pub(super) struct Writers {
    inboxes: Mutex<Vec<mpsc::Sender<PendingAppend>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Writers {
    /// Starts the writers' tasks on the present runtime.
    pub(super) fn start(pool: &PgPool, writers: u32, inner: &Weak<Inner>) -> Self {
        let (mut inboxes, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..writers.max(1) {
            let (to, inbox) = mpsc::channel(BATCH);
            let run = Loop { pool: pool.clone(), connection: None, inbox, inner: inner.clone() };
            inboxes.push(to);
            tasks.push(tokio::spawn(run.run()));
        }
        Self { inboxes: Mutex::new(inboxes), tasks: Mutex::new(tasks) }
    }

    /// Appends, together with whatever else waits.
    pub(super) async fn append(&self, append: Append) -> Result<Appended> {
        let (to, answer) = oneshot::channel();
        let inbox = self.inbox(&append).ok_or_else(stopped)?;
        inbox.send(PendingAppend { append, answer: None, to }).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn inbox(&self, append: &Append) -> Option<mpsc::Sender<PendingAppend>> {
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::from(append.task.bytes()[15]).checked_rem(inboxes.len())?;
        inboxes.get(place).cloned()
    }

    /// Takes no more appends, and waits until those that wait are written.
    pub(super) async fn close(&self) {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
    }
}

fn stopped() -> Error {
    unavailable("the store", "its writer has stopped".to_owned())
}

struct Loop {
    pool: PgPool,
    connection: Option<PoolConnection<Postgres>>,
    inbox: mpsc::Receiver<PendingAppend>,
    inner: Weak<Inner>,
}

impl Loop {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.inbox.recv_many(&mut batch, BATCH).await > 0 {
            // The last clone of the store has gone, and with it whoever waits for answers.
            let Some(inner) = self.inner.upgrade() else { break };
            self.gather(&mut batch).await;
            self.commit(&inner, std::mem::take(&mut batch)).await;
        }
        if let Some(connection) = self.connection.take() {
            hang_up(connection).await;
        }
    }

    /// Lets callers that are ready to run send their appends first: those that the last commit has just answered
    /// come back together, and one commit for all of them is cheaper than two.
    async fn gather(&mut self, batch: &mut Vec<PendingAppend>) {
        while batch.len() < BATCH {
            let before = batch.len();
            tokio::task::yield_now().await;
            while batch.len() < BATCH
                && let Ok(append) = self.inbox.try_recv()
            {
                batch.push(append);
            }
            if batch.len() == before {
                return;
            }
        }
    }

    async fn commit(&mut self, inner: &Arc<Inner>, mut batch: Vec<PendingAppend>) {
        let began = Instant::now();
        let Err(failed) = self.transact(inner, &mut batch).await else {
            inner.metrics.commit(batch.len(), began.elapsed());
            return batch.into_iter().for_each(PendingAppend::answer);
        };
        if batch.len() == 1 || !is_about_one(&failed) {
            let error = failed.into_error("the store");
            return batch.into_iter().for_each(|pending| pending.fail(error.clone()));
        }
        for pending in batch {
            let mut alone = [pending];
            let outcome = self.transact(inner, &mut alone).await;
            let [pending] = alone;
            match outcome {
                Ok(()) => pending.answer(),
                Err(failed) => pending.fail(failed.into_error("the store")),
            }
        }
    }

    /// Runs a batch until it stands, or will not.
    async fn transact(&mut self, inner: &Arc<Inner>, batch: &mut [PendingAppend]) -> Result<(), Failed> {
        let mut runs = 0;
        loop {
            runs += 1;
            let failed = match self.run_once(inner, batch).await {
                Ok(news) => {
                    inner.notices.publish(news);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            // A connection that was lost before the commit has written nothing.
            let again = match &failed {
                Failed::NotBegun(error) | Failed::Sql(error) if is_lost(error) => true,
                failed => failed.may_run_again(),
            };
            if !again || runs >= RUNS {
                return Err(failed);
            }
            tracing::debug!(runs, appends = batch.len(), error = %failed, "a batch is run again");
            tokio::time::sleep(pause(runs)).await;
        }
    }

    async fn run_once(&mut self, inner: &Arc<Inner>, batch: &mut [PendingAppend]) -> Result<News, Failed> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(Failed::NotBegun)?,
        };
        let run = async {
            let mut tx = Tx::begin(&mut connection, inner).await?;
            append::run(&mut tx, batch).await?;
            tx.commit().await
        };
        let outcome = tokio::time::timeout(inner.config.silence(), run)
            .await
            .unwrap_or_else(|_| Err(Failed::Unknown(silent())));
        let usable = match &outcome {
            Ok(_) => true,
            Err(failed) => abandon(&mut connection, failed, inner.config.silence()).await.is_ok(),
        };
        if usable {
            self.connection = Some(connection);
        } else {
            connection.close_on_drop();
        }
        outcome
    }
}

/// Says whether a failure may be one append's fault, and not the connection's.
fn is_about_one(failed: &Failed) -> bool {
    match failed {
        Failed::Sql(error) => !super::failed::is_broken(error),
        Failed::Raced | Failed::Refused(_) => true,
        Failed::NotBegun(_) | Failed::Unknown(_) => false,
    }
}
