//! The creation of a fork, in parts: it may hold more than a message does.

use std::sync::Arc;

use futures::stream;
use holdfast_ports::{Error, Result};
use holdfast_proto::v1;
use holdfast_proto::v1::create_fork_request::{Batch, Head, Part};
use holdfast_types::journal::{Created, Fork};
use holdfast_types::payload::BLOB_LIMIT;
use prost::Message;

use super::{Client, RemoteStore, stream as parts, unreadable};
use crate::clients::replicas::Verb;
use crate::status::to_port;

const FORK: Verb = Verb::harmless("fork a task").within(parts::LONG);

/// The bytes of a batch, about: an event is always sent whole.
const BATCH: usize = 1024 * 1024;

impl RemoteStore {
    /// Sends a fork. Cancel-safe as any verb: whether it was created is then asked with the same id.
    pub(super) async fn create_fork(&self, fork: Fork) -> Result<Created> {
        let Fork { mut task, source, relies_on } = fork;
        let events = std::mem::take(&mut task.events)
            .into_iter()
            .map(|event| Batch { events: vec![event.into()], relies_on: Vec::new() });
        let relies_on =
            relies_on.into_iter().map(|on| Batch { events: Vec::new(), relies_on: vec![on.into()] });
        let batches: Arc<[Batch]> = gathered(events.chain(relies_on)).into();
        let size = batches.iter().map(|batch| batch.encoded_len() as u64).sum();
        if size > BLOB_LIMIT {
            return Err(Error::TooLarge { what: "what a fork begins with".into(), size, limit: BLOB_LIMIT });
        }
        let head = Head { task: Some(task.into()), source_task_id: source.to_string(), size };
        let send = |channel| {
            let head = std::iter::once(Part::Head(head.clone()));
            let batches = Arc::clone(&batches);
            let rest = (0..batches.len()).filter_map(move |at| batches.get(at).cloned().map(Part::Batch));
            let messages = head.chain(rest).map(|part| v1::CreateForkRequest { part: Some(part) });
            let request = parts::request(stream::iter(messages));
            async { Client::new(channel).create_fork(request).await.map(tonic::Response::into_inner) }
        };
        let answer = self.service.attempt(FORK, send).await.map_err(|status| to_port(&status, FORK.what))?;
        Created::try_from(answer).map_err(unreadable(FORK.what))
    }
}

/// Joins batches of one into ones of some size.
fn gathered(ones: impl Iterator<Item = Batch>) -> Vec<Batch> {
    let (mut batches, mut bytes) = (Vec::<Batch>::new(), 0);
    for one in ones {
        bytes += one.encoded_len();
        match batches.last_mut() {
            Some(last) if bytes <= BATCH => {
                last.events.extend(one.events);
                last.relies_on.extend(one.relies_on);
            }
            _ => {
                bytes = one.encoded_len();
                batches.push(one);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_and_lose_nothing() {
        let one = |bytes: usize| Batch {
            events: vec![v1::NewEvent { body_json: "x".repeat(bytes), ..Default::default() }],
            relies_on: Vec::new(),
        };
        let half = BATCH / 2 - 100;
        let sizes = |batches: Vec<Batch>| batches.iter().map(|batch| batch.events.len()).collect::<Vec<_>>();
        assert_eq!(sizes(gathered([half, half, half, 1].map(one).into_iter())), [2, 2]);
        // One that is larger by itself goes alone.
        assert_eq!(sizes(gathered([1, 2 * BATCH, 1].map(one).into_iter())), [1, 1, 1]);
        assert!(gathered(std::iter::empty()).is_empty());
    }
}
