//! Journals: created, appended to, loaded and followed.

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_ports::{Error, Journal, Result};
use holdfast_proto::convert::fields::{each, optional};
use holdfast_proto::v1;
use holdfast_proto::v1::load_request::From;
use holdfast_proto::v1::load_response::Part;
use holdfast_types::TaskId;
use holdfast_types::journal::{
    Append, Appended, Created, EventRow, Fork, Loaded, NewEvent, NewTask, Refusal, Snapshot,
};
use holdfast_types::last_good::{LastGood, LastGoodKey};

use super::{Client, RemoteStore, follow, stream, unreadable};
use crate::clients::replicas::Verb;
use crate::status::to_port;

const CREATE: Verb = Verb::harmless("create a task");
const LOAD: Verb = Verb::harmless("load a task").within(stream::LONG);
const LAST_GOOD: Verb = Verb::harmless("read a last good result");
const PUT_SNAPSHOT: Verb = Verb::harmless("put a snapshot");

#[async_trait]
impl Journal for RemoteStore {
    async fn create(&self, task: NewTask) -> Result<Created> {
        if let Some(digest) = no_digest(&task.events) {
            return Err(Error::NotFound { what: format!("blob {digest}") });
        }
        let message = v1::CreateTaskRequest { task: Some(task.into()) };
        let answer = self
            .service
            .ask(CREATE, message, |channel, request| async move {
                Client::new(channel).create_task(request).await
            })
            .await?;
        Created::try_from(answer).map_err(unreadable(CREATE.what))
    }

    async fn fork(&self, fork: Fork) -> Result<Created> {
        if let Some(digest) = no_digest(&fork.task.events) {
            return Err(Error::NotFound { what: format!("blob {digest}") });
        }
        self.create_fork(fork).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        if let Some(sha256) = no_digest(&append.events) {
            return Ok(Appended::Refused(Refusal::BlobMissing { sha256: sha256.to_owned() }));
        }
        self.appends.append(append).await
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        let parts = self.parts(v1::LoadRequest { task_id: task.to_string(), from: None, limit: 0 }).await?;
        let snapshot: Option<Snapshot> =
            optional("snapshot", parts.snapshot).map_err(unreadable(LOAD.what))?;
        Ok(Loaded { snapshot, events: each("events", parts.events).map_err(unreadable(LOAD.what))? })
    }

    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>> {
        // On the wire 0 stands for all.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let from = Some(From::AfterSeq(after));
        let parts = self.parts(v1::LoadRequest { task_id: task.to_string(), from, limit }).await?;
        each("events", parts.events).map_err(unreadable(LOAD.what))
    }

    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>> {
        follow::follow(self.service.clone(), task, after).await
    }

    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        let message = v1::GetLastGoodRequest { key: Some(key.clone().into()) };
        let answer = self
            .service
            .ask(LAST_GOOD, message, |channel, request| async move {
                Client::new(channel).get_last_good(request).await
            })
            .await?;
        optional("last_good", answer.last_good).map_err(unreadable(LAST_GOOD.what))
    }

    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()> {
        let message = v1::PutSnapshotRequest { task_id: task.to_string(), snapshot: Some(snapshot.into()) };
        self.service
            .ask(PUT_SNAPSHOT, message, |channel, request| async move {
                Client::new(channel).put_snapshot(request).await
            })
            .await?;
        Ok(())
    }
}

/// Finds what is named as a blob and can be none: the wire has no place for it, and no store holds it.
fn no_digest(events: &[NewEvent]) -> Option<&str> {
    events
        .iter()
        .flat_map(|event| &event.blobs)
        .map(String::as_str)
        .find(|name| !super::blobs::is_digest(name))
}

/// What a `Load` has brought.
#[derive(Default)]
struct Parts {
    snapshot: Option<v1::Snapshot>,
    events: Vec<v1::TaskEvent>,
}

impl RemoteStore {
    async fn parts(&self, message: v1::LoadRequest) -> Result<Parts> {
        let load = |channel| {
            let request = stream::request(message.clone());
            async move {
                let messages = Client::new(channel).load(request).await?.into_inner();
                let mut parts = Parts::default();
                stream::each(messages, |message| match message.part {
                    Some(Part::Snapshot(snapshot)) => parts.snapshot = Some(snapshot),
                    Some(Part::Events(batch)) => parts.events.extend(batch.events),
                    Some(Part::Row(_)) | None => {}
                })
                .await?;
                Ok(parts)
            }
        };
        self.service.attempt(LOAD, load).await.map_err(|status| to_port(&status, LOAD.what))
    }
}
