//! Lets workers forget recorded results, and stop what nobody waits for, beside the work: an ack that is lost costs a
//! worker some memory for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use holdfast_ports::{Directory, LiveWorker};
use holdfast_types::WorkerId;
use holdfast_types::worker::CallRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Some seconds of a busy instance; past it acks are dropped, and the workers' own limits of time apply.
const QUEUED: usize = 16_384;

/// How many are under way at once: they must not take the connection from calls.
const AT_ONCE: usize = 4;

/// A result that is recorded.
#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) worker: WorkerId,
    pub(crate) call: CallRef,
    pub(crate) epoch: u64,
    pub(crate) work: Work,
}

/// Whether a call still runs at the worker.
#[derive(Debug)]
pub(crate) enum Work {
    /// It does not.
    Over,
    /// It may, and is not wanted any more.
    Aborted {
        /// Cancelled as soon as the worker has it, or never will; none: it has it.
        reached: Option<CancellationToken>,
    },
}

/// How long a call that is not wanted any more may take to reach its worker.
const REACHED_WITHIN: Duration = Duration::from_secs(2);

/// The queue of acks.
#[derive(Debug)]
pub(crate) struct Acks {
    queue: mpsc::Sender<Ack>,
    // A std mutex: held while the receiver is taken out, once.
    receiver: Mutex<Option<mpsc::Receiver<Ack>>>,
}

impl Default for Acks {
    fn default() -> Self {
        let (queue, receiver) = mpsc::channel(QUEUED);
        Self { queue, receiver: Mutex::new(Some(receiver)) }
    }
}

impl Acks {
    /// Queues an ack; drops it where the queue is full.
    pub(crate) fn send(&self, ack: Ack) {
        let _ = self.queue.try_send(ack);
    }

    /// Sends acks until it is dropped. The first caller does the work, any other returns at once.
    pub(crate) async fn run(&self, directory: Arc<dyn Directory>) {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        let queued = stream::poll_fn(move |context| receiver.poll_recv(context));
        queued
            .for_each_concurrent(AT_ONCE, |ack| {
                let worker = directory.view().worker(ack.worker).cloned();
                async move {
                    let Some(worker) = worker else { return };
                    if let Work::Aborted { reached } = ack.work {
                        abort(&worker, &ack.call, ack.epoch, reached).await;
                    }
                    if let Err(failure) = worker.tools.ack(ack.worker, ack.call, ack.epoch).await {
                        tracing::debug!(worker_id = %ack.worker, %failure, "ack was not taken");
                    }
                }
            })
            .await;
    }
}

async fn abort(worker: &LiveWorker, call: &CallRef, epoch: u64, reached: Option<CancellationToken>) {
    if let Some(reached) = reached {
        // A cancel that comes before the call finds nothing.
        let _ = tokio::time::timeout(REACHED_WITHIN, reached.cancelled()).await;
    }
    let id = worker.info.id;
    if let Err(failure) = worker.tools.cancel(id, call.clone(), epoch, "another attempt has won").await {
        tracing::debug!(worker_id = %id, %failure, "cancel was not taken");
    }
}
