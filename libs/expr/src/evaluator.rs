//! Evaluation with a limit of time, for callers on an async runtime.
//!
//! An evaluation runs on a thread of a small pool; the caller's side waits on a blocking thread, at most the wall
//! limit an expression. Comprehensions end themselves soon after it (`functions::tick`). What nevertheless runs on is
//! given up: its thread is counted as overdue until it ends, a new one takes its place, and beyond a bound of overdue
//! ones evaluations fail at once instead of piling up. A stopped process or a starved machine lets the limit pass
//! too, without a fault of the expression: so an overdue job is tried anew a few times before it fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::error::{ErrorKind, ExprError};
use crate::evaluate::{guarded, timed_out};
use crate::functions::set_deadline;
use crate::job::Job;
use crate::limits::WALL_LIMIT;
use crate::thread;

/// The sizes of an evaluator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long one expression may take.
    pub wall_limit: Duration,
    /// How many evaluations run at once.
    pub threads: usize,
    /// How many overdue threads are borne before evaluations are refused.
    pub max_overdue: usize,
    /// How often a job that timed out is tried in all.
    pub tries: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { wall_limit: WALL_LIMIT, threads: 4, max_overdue: 8, tries: 3 }
    }
}

/// Evaluates jobs with a limit of time. A clone uses the same threads; they end with the last clone.
#[derive(Debug, Clone)]
pub struct Evaluator {
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
}

#[derive(Debug)]
struct Pool {
    settings: Settings,
    /// Threads without work. A std mutex: held for a push or a pop.
    idle: Mutex<Vec<Thread>>,
    overdue: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Thread {
    batches: SyncSender<Batch>,
}

struct Batch {
    jobs: Arc<[Job]>,
    first: usize,
    wall_limit: Duration,
    given_up: Arc<AtomicBool>,
    results: SyncSender<Result<Value, ExprError>>,
}

impl Default for Evaluator {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Evaluator {
    /// Makes an evaluator; threads start with the first job that needs one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let pool = Pool { settings, idle: Mutex::new(Vec::new()), overdue: Arc::default() };
        Self { pool: Arc::new(pool), slots: Arc::new(Semaphore::new(settings.threads.max(1))) }
    }

    /// Evaluates one job.
    ///
    /// Cancellation safe: a dropped future loses only its result.
    ///
    /// # Errors
    /// Those of the evaluation; [`ErrorKind::TimedOut`] and [`ErrorKind::Exhausted`] besides.
    pub async fn evaluate(&self, job: Job) -> Result<Value, ExprError> {
        let mut results = self.evaluate_all(vec![job]).await;
        results.pop().unwrap_or_else(|| Err(ExprError::new(ErrorKind::Internal, "no result")))
    }

    /// Evaluates jobs in one hop, one after the other; each has its own result, in the same order.
    ///
    /// Cancellation safe: a dropped future loses only its results.
    pub async fn evaluate_all(&self, jobs: Vec<Job>) -> Vec<Result<Value, ExprError>> {
        if jobs.iter().all(|job| job.programs() == 0) {
            return jobs.iter().map(guarded).collect();
        }
        let count = jobs.len();
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let pool = Arc::clone(&self.pool);
        let work = tokio::task::spawn_blocking(move || {
            let results = pool.evaluate(&Arc::from(jobs));
            drop(slot);
            results
        });
        work.await.unwrap_or_else(|_| {
            let failed = || Err(ExprError::new(ErrorKind::Internal, "the evaluator was stopped"));
            std::iter::repeat_with(failed).take(count).collect()
        })
    }

    /// Counts the threads that run on past their time.
    #[must_use]
    pub fn overdue(&self) -> usize {
        self.pool.overdue.load(Ordering::Acquire)
    }
}

impl Pool {
    fn evaluate(&self, jobs: &Arc<[Job]>) -> Vec<Result<Value, ExprError>> {
        let mut results = Vec::with_capacity(jobs.len());
        let mut tried = 0;
        while results.len() < jobs.len() {
            let before = results.len();
            let ended = self.run(jobs, &mut results);
            tried = if results.len() > before { 1 } else { tried + 1 };
            match ended {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::TimedOut && tried < self.settings.tries => {}
                Err(error) => {
                    results.push(Err(error));
                    tried = 0;
                }
            }
        }
        results
    }

    /// Has a thread work on the jobs that have no result yet; an error is that of the first that stays without.
    fn run(&self, jobs: &Arc<[Job]>, results: &mut Vec<Result<Value, ExprError>>) -> Result<(), ExprError> {
        let thread = self.take()?;
        let first = results.len();
        let given_up = Arc::new(AtomicBool::new(false));
        // Room for every result: the thread never waits for its caller.
        let (sender, receiver) = sync_channel(jobs.len() - first);
        let wall_limit = self.settings.wall_limit;
        let batch = Batch {
            jobs: Arc::clone(jobs),
            first,
            wall_limit,
            given_up: Arc::clone(&given_up),
            results: sender,
        };
        if thread.batches.send(batch).is_err() {
            return Err(ExprError::new(ErrorKind::Internal, "an evaluating thread is gone"));
        }
        for job in &jobs[first..] {
            // Some room for the thread's own check, which costs no thread.
            let patience = limit_of(job, wall_limit) + wall_limit / 4;
            match receiver.recv_timeout(patience) {
                Ok(Err(error)) if error.kind() == ErrorKind::TimedOut => {
                    self.give_back(thread);
                    return Err(error);
                }
                Ok(result) => results.push(result),
                Err(RecvTimeoutError::Timeout) => {
                    self.overdue.fetch_add(1, Ordering::AcqRel);
                    given_up.store(true, Ordering::Release);
                    return Err(timed_out(job));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ExprError::new(ErrorKind::Internal, "an evaluating thread is gone"));
                }
            }
        }
        self.give_back(thread);
        Ok(())
    }

    fn take(&self) -> Result<Thread, ExprError> {
        if let Some(thread) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(thread);
        }
        let overdue = self.overdue.load(Ordering::Acquire);
        if overdue >= self.settings.max_overdue {
            let message = format!("{overdue} overdue evaluations are still running; try again later");
            return Err(ExprError::new(ErrorKind::Exhausted, message));
        }
        // One batch at a time: the next is sent when the last has ended.
        let (batches, receiver) = sync_channel::<Batch>(1);
        let overdue = Arc::clone(&self.overdue);
        thread::spawn(move || {
            let mut given_up = None;
            while let Ok(batch) = receiver.recv() {
                given_up = Some(Arc::clone(&batch.given_up));
                work(&batch);
            }
            // The end of the channel comes after the mark, if there is one.
            if given_up.is_some_and(|mark| mark.load(Ordering::Acquire)) {
                overdue.fetch_sub(1, Ordering::AcqRel);
            }
        })?;
        Ok(Thread { batches })
    }

    fn give_back(&self, thread: Thread) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
}

/// Works on a batch until it is done, a job times out, or nobody waits any more.
fn work(batch: &Batch) {
    for job in &batch.jobs[batch.first..] {
        set_deadline(limit_of(job, batch.wall_limit));
        let result = guarded(job);
        let timed_out = matches!(&result, Err(error) if error.kind() == ErrorKind::TimedOut);
        let unwanted = batch.given_up.load(Ordering::Acquire) || batch.results.send(result).is_err();
        if unwanted || timed_out {
            return;
        }
    }
}

fn limit_of(job: &Job, wall_limit: Duration) -> Duration {
    wall_limit * u32::try_from(job.programs().max(1)).unwrap_or(u32::MAX)
}
