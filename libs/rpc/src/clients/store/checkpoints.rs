//! Checkpoints of foreign agents.

use async_trait::async_trait;
use holdfast_ports::{Checkpoint, CheckpointId, Checkpoints, Error, PendingWrite, Result};
use holdfast_proto::v1;
use holdfast_types::{Namespace, Timestamp};

use super::{Client, RemoteStore, unreadable};
use crate::clients::replicas::Verb;
use crate::convert::{checkpoint, pending_write, read_checkpoint, read_pending_write};

const PUT: Verb = Verb::harmless("put a checkpoint");
const PUT_WRITES: Verb = Verb::harmless("put pending writes");
const GET: Verb = Verb::harmless("get a checkpoint");
const LIST: Verb = Verb::harmless("list checkpoints");
const COPY: Verb = Verb::once("copy checkpoints");
const PRUNE: Verb = Verb::once("prune checkpoints");

/// The most pending writes of one request, at 64 KiB each in place.
const WRITES: usize = 50;

/// The most checkpoints that the service lists at once.
const PAGE: u32 = 1_000;

fn read(wire: v1::Checkpoint, verb: Verb) -> Result<Checkpoint> {
    // A checkpoint that comes from the store has its time.
    read_checkpoint(wire, Timestamp::default()).map_err(unreadable(verb.what))
}

#[async_trait]
impl Checkpoints for RemoteStore {
    async fn put(&self, put: Checkpoint) -> Result<()> {
        let message = v1::PutCheckpointRequest { checkpoint: Some(checkpoint(put)) };
        self.service
            .ask(PUT, message, |channel, request| async move {
                Client::new(channel).put_checkpoint(request).await
            })
            .await?;
        Ok(())
    }

    async fn put_writes(&self, id: &CheckpointId, writes: Vec<PendingWrite>) -> Result<()> {
        let mut writes: Vec<_> = writes.into_iter().map(pending_write).collect();
        loop {
            let rest = writes.split_off(writes.len().min(WRITES));
            let name = v1::CheckpointName {
                namespace: id.namespace.to_string(),
                thread: id.thread.clone(),
                id: id.id.clone(),
            };
            let message = v1::PutCheckpointWritesRequest { name: Some(name), writes };
            self.service
                .ask(PUT_WRITES, message, |channel, request| async move {
                    Client::new(channel).put_checkpoint_writes(request).await
                })
                .await?;
            if rest.is_empty() {
                return Ok(());
            }
            writes = rest;
        }
    }

    async fn get(
        &self,
        namespace: &Namespace,
        thread: &str,
        id: Option<&str>,
    ) -> Result<Option<(Checkpoint, Vec<PendingWrite>)>> {
        let message = v1::GetCheckpointRequest {
            namespace: namespace.to_string(),
            thread: thread.to_owned(),
            id: id.unwrap_or_default().to_owned(),
        };
        let answer = self
            .service
            .ask(GET, message, |channel, request| async move {
                Client::new(channel).get_checkpoint(request).await
            })
            .await;
        let answer = match answer {
            Err(Error::NotFound { .. }) => return Ok(None),
            answer => answer?,
        };
        let Some(found) = answer.checkpoint else { return Ok(None) };
        let writes = answer.writes.into_iter().map(read_pending_write).collect::<Result<_, _>>();
        Ok(Some((read(found, GET)?, writes.map_err(unreadable(GET.what))?)))
    }

    async fn list(
        &self,
        namespace: &Namespace,
        thread: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Checkpoint>> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut listed: Vec<Checkpoint> = Vec::new();
        // An answer holds as many as fit a message; an empty one is the end.
        while listed.len() < most {
            let before = listed.last().map(|last| last.id.id.as_str()).or(before);
            let message = v1::ListCheckpointsRequest {
                namespace: namespace.to_string(),
                thread: thread.to_owned(),
                before: before.unwrap_or_default().to_owned(),
                limit: u32::try_from(most - listed.len()).unwrap_or(PAGE).min(PAGE),
            };
            let answer = self
                .service
                .ask(LIST, message, |channel, request| async move {
                    Client::new(channel).list_checkpoints(request).await
                })
                .await?;
            if answer.checkpoints.is_empty() {
                break;
            }
            for checkpoint in answer.checkpoints {
                listed.push(read(checkpoint, LIST)?);
            }
        }
        Ok(listed)
    }

    async fn copy(&self, namespace: &Namespace, from: &str, to: &str, until: Option<&str>) -> Result<u32> {
        let message = v1::CopyCheckpointsRequest {
            namespace: namespace.to_string(),
            from_thread: from.to_owned(),
            to_thread: to.to_owned(),
            until: until.unwrap_or_default().to_owned(),
        };
        let answer = self
            .service
            .ask(COPY, message, |channel, request| async move {
                Client::new(channel).copy_checkpoints(request).await
            })
            .await;
        match answer {
            // The port says how many were copied, and an unknown thread has none.
            Err(Error::NotFound { .. }) => Ok(0),
            answer => Ok(answer?.copied),
        }
    }

    async fn prune(&self, namespace: &Namespace, thread: &str, keep: u32) -> Result<u32> {
        let message =
            v1::PruneCheckpointsRequest { namespace: namespace.to_string(), thread: thread.to_owned(), keep };
        let answer = self
            .service
            .ask(PRUNE, message, |channel, request| async move {
                Client::new(channel).prune_checkpoints(request).await
            })
            .await?;
        Ok(answer.removed)
    }
}
