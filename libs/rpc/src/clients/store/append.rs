//! Appends on their way: those that wait go together, each is answered alone.

use std::collections::HashSet;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use holdfast_ports::{Error, Result};
use holdfast_proto::v1;
use holdfast_telemetry::propagation;
use holdfast_types::TaskId;
use holdfast_types::journal::{Append, Appended};
use prost::Message;
use tokio::sync::{mpsc, oneshot};

use super::batch::{Batch, LARGEST, Queue, Waiting};
use super::{Client, unreadable};
use crate::clients::Replicas;
use crate::clients::replicas::Verb;

const APPEND: Verb = Verb::harmless("append");

/// So many batches are under way at once: while one commits, the next travels.
const AT_ONCE: usize = 2;

/// So many appends wait to be looked at; more wait with their callers.
const ROOM: usize = 4_096;

/// The way in for appends. Cheap to clone.
#[derive(Clone)]
pub(super) struct Appends(mpsc::Sender<Waiting>);

impl Appends {
    /// Starts to send; ends with the last clone, after all that waits is answered.
    pub(super) fn start(service: Replicas) -> Self {
        let (sender, inbox) = mpsc::channel(ROOM);
        tokio::spawn(run(service, inbox));
        Self(sender)
    }

    pub(super) async fn append(&self, append: Append) -> Result<Appended> {
        let (task, wire) = (append.task, v1::TaskAppend::from(append));
        let bytes = wire.encoded_len();
        if bytes > LARGEST {
            let (size, limit) = (bytes as u64, LARGEST as u64);
            return Err(Error::TooLarge { what: "an append".into(), size, limit });
        }
        let (answer, answered) = oneshot::channel();
        let gone = || Error::Unavailable {
            what: APPEND.what,
            why: "the client of the store has ended".into(),
            retry_after: None,
        };
        let place = propagation::place();
        self.0.send(Waiting { task, bytes, append: wire, place, answer }).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn run(service: Replicas, mut inbox: mpsc::Receiver<Waiting>) {
    let mut queue = Queue::default();
    let mut busy: HashSet<TaskId> = HashSet::new();
    let mut flights: FuturesUnordered<BoxFuture<'static, Vec<TaskId>>> = FuturesUnordered::new();
    let mut came = Vec::new();
    let mut is_open = true;
    while is_open || !flights.is_empty() {
        while flights.len() < AT_ONCE
            && let Some(batch) = queue.take(&busy)
        {
            busy.extend(batch.tasks());
            let place = batch.place();
            flights.push(Box::pin(propagation::under(place, send(service.clone(), batch))));
        }
        tokio::select! {
            taken = inbox.recv_many(&mut came, ROOM), if is_open && queue.len() < ROOM => {
                is_open = taken > 0;
                queue.extend(came.drain(..));
            }
            Some(landed) = flights.next() => {
                for task in landed {
                    busy.remove(&task);
                }
            }
        }
    }
}

/// Sends a batch, and answers each of its members. Returns whose they were.
async fn send(service: Replicas, batch: Batch) -> Vec<TaskId> {
    let tasks: Vec<TaskId> = batch.tasks().collect();
    let (appends, answers) = batch.divide();
    let results = match ask(&service, appends.clone()).await {
        // One that the service does not take must not fail its neighbours.
        Err(error) if !error.is_transient() && appends.len() > 1 => one_by_one(&service, appends).await,
        Err(error) => vec![Err(error); answers.len()],
        Ok(results) => results.into_iter().map(Ok).collect(),
    };
    for (answer, result) in answers.into_iter().zip(results) {
        // Who does not wait any more reads again.
        let _ = answer.send(result);
    }
    tasks
}

async fn one_by_one(service: &Replicas, appends: Vec<v1::TaskAppend>) -> Vec<Result<Appended>> {
    let mut results = Vec::with_capacity(appends.len());
    for append in appends {
        let result = ask(service, vec![append]).await;
        results.push(result.and_then(|answers| answers.into_iter().next().ok_or_else(incomplete)));
    }
    results
}

/// The same ids go out again where the first answer is lost: the store knows what it has written.
async fn ask(service: &Replicas, appends: Vec<v1::TaskAppend>) -> Result<Vec<Appended>> {
    let expected = appends.len();
    let message = v1::AppendRequest { appends };
    let answer = service
        .ask(APPEND, message, |channel, request| async move { Client::new(channel).append(request).await })
        .await?;
    if answer.results.len() != expected {
        return Err(incomplete());
    }
    let read = |result| Appended::try_from(result).map_err(unreadable(APPEND.what));
    answer.results.into_iter().map(read).collect()
}

fn incomplete() -> Error {
    Error::Corrupt { what: "the answer to append".into(), why: "it has another number of results".into() }
}
