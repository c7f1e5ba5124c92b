//! Lets workers forget recorded results, and stop what nobody waits for, beside the work: an ack that is lost costs a
//! worker some memory for a while.
//!
//! Nobody waits for an ack, so they go in batches: of a busy instance one request carries dozens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use holdfast_ports::{Directory, LiveWorker};
use holdfast_types::WorkerId;
use holdfast_types::worker::Recorded;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Some seconds of a busy instance; past it acks are dropped, and the workers' own limits of time apply.
const QUEUED: usize = 16_384;

/// The most of one request.
const BATCH: usize = 512;

/// How long acks gather before they go: a result is kept a little longer, and calls keep the connection.
const GATHER: Duration = Duration::from_millis(20);

/// How many aborts are under way at once: they must not take the connection from calls.
const AT_ONCE: usize = 16;

/// How long an attempt that is not wanted any more may take to reach its worker.
const REACHED_WITHIN: Duration = Duration::from_secs(2);

/// An ack on its way, and the worker that holds the result.
type Queued = (WorkerId, Recorded);

/// An attempt that may still run, and that nobody waits for any more.
#[derive(Debug)]
pub(crate) struct LetGo {
    pub(crate) worker: WorkerId,
    pub(crate) recorded: Recorded,
    /// Cancelled as soon as the worker has it, or never will; none: it has it.
    pub(crate) reached: Option<CancellationToken>,
}

/// The queues of acks and of aborts.
#[derive(Debug)]
pub(crate) struct Acks {
    acks: Queue<Queued>,
    aborts: Queue<LetGo>,
}

#[derive(Debug)]
struct Queue<T> {
    sender: mpsc::Sender<T>,
    // A std mutex: held while the receiver is taken out, once.
    receiver: Mutex<Option<mpsc::Receiver<T>>>,
}

impl<T> Queue<T> {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUED);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    fn take(&self) -> Option<mpsc::Receiver<T>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Default for Acks {
    fn default() -> Self {
        Self { acks: Queue::new(), aborts: Queue::new() }
    }
}

impl Acks {
    /// Queues an ack; drops it where the queue is full.
    pub(crate) fn send(&self, worker: WorkerId, recorded: Recorded) {
        let _ = self.acks.sender.try_send((worker, recorded));
    }

    /// Queues an abort, which is followed by its ack; drops it where the queue is full.
    pub(crate) fn abort(&self, attempt: LetGo) {
        let _ = self.aborts.sender.try_send(attempt);
    }

    /// Sends acks and aborts until it is dropped. The first caller does the work, any other returns at once.
    pub(crate) async fn run(&self, directory: Arc<dyn Directory>) {
        let (Some(acks), Some(aborts)) = (self.acks.take(), self.aborts.take()) else { return };
        tokio::join!(self.send_aborts(&*directory, aborts), send_acks(&*directory, acks));
    }

    async fn send_aborts(&self, directory: &dyn Directory, mut aborts: mpsc::Receiver<LetGo>) {
        let queued = stream::poll_fn(move |context| aborts.poll_recv(context));
        queued
            .for_each_concurrent(AT_ONCE, |LetGo { worker: id, recorded, reached }| async move {
                if let Some(worker) = directory.view().worker(id).cloned() {
                    abort(&worker, &recorded, reached).await;
                    self.send(id, recorded);
                }
            })
            .await;
    }
}

async fn send_acks(directory: &dyn Directory, mut acks: mpsc::Receiver<Queued>) {
    let mut batch = Vec::with_capacity(BATCH);
    while acks.recv_many(&mut batch, BATCH).await > 0 {
        tokio::time::sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(queued) = acks.try_recv()
        {
            batch.push(queued);
        }
        let mut by_worker: HashMap<WorkerId, Vec<Recorded>> = HashMap::new();
        for (worker, recorded) in batch.drain(..) {
            by_worker.entry(worker).or_default().push(recorded);
        }
        join_all(by_worker.into_iter().map(|(worker, recorded)| tell(directory, worker, recorded))).await;
    }
}

async fn tell(directory: &dyn Directory, id: WorkerId, recorded: Vec<Recorded>) {
    let Some(worker) = directory.view().worker(id).cloned() else { return };
    if let Err(failure) = worker.tools.ack(id, recorded).await {
        tracing::debug!(worker_id = %id, %failure, "acks were not taken");
    }
}

async fn abort(worker: &LiveWorker, recorded: &Recorded, reached: Option<CancellationToken>) {
    if let Some(reached) = reached {
        // A cancel that comes before the call finds nothing.
        let _ = tokio::time::timeout(REACHED_WITHIN, reached.cancelled()).await;
    }
    let (id, Recorded { call, epoch, .. }) = (worker.info.id, recorded);
    if let Err(failure) = worker.tools.cancel(id, call.clone(), *epoch, "another attempt has won").await {
        tracing::debug!(worker_id = %id, %failure, "cancel was not taken");
    }
}
