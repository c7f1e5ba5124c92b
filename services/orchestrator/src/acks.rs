//! Lets workers forget recorded results, beside the work: an ack that is lost costs a worker some memory for a while.
//!
//! Nobody waits for an ack, so they go in batches: of a busy instance one request carries dozens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use holdfast_ports::Directory;
use holdfast_types::WorkerId;
use holdfast_types::worker::Recorded;
use tokio::sync::mpsc;

/// Some seconds of a busy instance; past it acks are dropped, and the workers' own limits of time apply.
const QUEUED: usize = 16_384;

/// The most of one request.
const BATCH: usize = 512;

/// How long acks gather before they go: a result is kept a little longer, and calls keep the connection.
const GATHER: Duration = Duration::from_millis(20);

/// An ack on its way, and the worker that holds the result.
type Queued = (WorkerId, Recorded);

/// The queue of acks.
#[derive(Debug)]
pub(crate) struct Acks {
    queue: mpsc::Sender<Queued>,
    // A std mutex: held while the receiver is taken out, once.
    receiver: Mutex<Option<mpsc::Receiver<Queued>>>,
}

impl Default for Acks {
    fn default() -> Self {
        let (queue, receiver) = mpsc::channel(QUEUED);
        Self { queue, receiver: Mutex::new(Some(receiver)) }
    }
}

impl Acks {
    /// Queues an ack; drops it where the queue is full.
    pub(crate) fn send(&self, worker: WorkerId, recorded: Recorded) {
        let _ = self.queue.try_send((worker, recorded));
    }

    /// Sends acks until it is dropped. The first caller does the work, any other returns at once.
    pub(crate) async fn run(&self, directory: Arc<dyn Directory>) {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        let mut batch = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            tokio::time::sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(queued) = receiver.try_recv()
            {
                batch.push(queued);
            }
            let mut by_worker: HashMap<WorkerId, Vec<Recorded>> = HashMap::new();
            for (worker, recorded) in batch.drain(..) {
                by_worker.entry(worker).or_default().push(recorded);
            }
            join_all(by_worker.into_iter().map(|(worker, recorded)| tell(&*directory, worker, recorded)))
                .await;
        }
    }
}

async fn tell(directory: &dyn Directory, id: WorkerId, recorded: Vec<Recorded>) {
    let Some(worker) = directory.view().worker(id).cloned() else { return };
    if let Err(failure) = worker.tools.ack(id, recorded).await {
        tracing::debug!(worker_id = %id, %failure, "acks were not taken");
    }
}
