//! Sessions and claims.

use async_trait::async_trait;
use holdfast_ports::{Leases, Renewal, Renewed, Result, Session};
use holdfast_proto::convert::{fields::each, time};
use holdfast_proto::v1;
use holdfast_types::journal::Claimed;
use holdfast_types::restore::{MarkRestored, Marked, Restore};
use holdfast_types::{InstanceId, OwnerId, TaskId, Timestamp};

use super::{Client, RemoteStore, unreadable};
use crate::clients::replicas::Verb;

/// A claim whose answer is lost is found by the next renewal: asked again it would claim other tasks.
const CLAIM: Verb = Verb::once("claim tasks");
const RELEASE: Verb = Verb::harmless("release a task");
const MARK_RESTORED: Verb = Verb::harmless("mark a restore");
const RESTORES: Verb = Verb::harmless("list restores");
const NEXT_WAKE: Verb = Verb::harmless("next wake");

/// The most tasks that the service claims at once.
const MOST: usize = 1_000;

#[async_trait]
impl Leases for RemoteStore {
    async fn open(&self, instance: InstanceId) -> Result<Session> {
        self.sessions.open(instance).await
    }

    /// Renews over the session's stream. An instance that this client has not opened has no session here: `Ended`.
    async fn renew(&self, renewal: Renewal) -> Result<Renewed> {
        self.sessions.renew(renewal).await
    }

    async fn close(&self, instance: InstanceId) -> Result<()> {
        self.sessions.close(instance).await
    }

    async fn claim(
        &self,
        instance: InstanceId,
        mut owners: Vec<OwnerId>,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        owners.truncate(usize::try_from(limit).unwrap_or(MOST).min(MOST));
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        self.claim_tasks(instance, &owners, None).await
    }

    async fn claim_one(&self, instance: InstanceId, owner: OwnerId, task: TaskId) -> Result<Option<Claimed>> {
        Ok(self.claim_tasks(instance, &[owner], Some(task)).await?.into_iter().next())
    }

    async fn release(&self, task: TaskId, epoch: u64, owner: OwnerId) -> Result<()> {
        let message =
            v1::ReleaseTaskRequest { task_id: task.to_string(), epoch, owner_id: owner.to_string() };
        self.service
            .ask(RELEASE, message, |channel, request| async move {
                Client::new(channel).release_task(request).await
            })
            .await?;
        Ok(())
    }

    async fn mark_restored(&self, mark: MarkRestored) -> Result<Marked> {
        let answer = self
            .service
            .ask(MARK_RESTORED, v1::MarkRestoredRequest::from(mark), |channel, request| async move {
                Client::new(channel).mark_restored(request).await
            })
            .await?;
        answer.try_into().map_err(unreadable(MARK_RESTORED.what))
    }

    async fn restores(&self) -> Result<Vec<Restore>> {
        let answer = self
            .service
            .ask(RESTORES, v1::ListRestoresRequest {}, |channel, request| async move {
                Client::new(channel).list_restores(request).await
            })
            .await?;
        each("restores", answer.restores).map_err(unreadable(RESTORES.what))
    }

    async fn next_wake(&self) -> Result<Option<Timestamp>> {
        // Without owner ids nothing is claimed.
        let answer = self
            .service
            .ask(NEXT_WAKE, v1::ClaimRequest::default(), |channel, request| async move {
                Client::new(channel).claim(request).await
            })
            .await?;
        time::optional_timestamp("next_wake_at", answer.next_wake_at).map_err(unreadable(NEXT_WAKE.what))
    }
}

impl RemoteStore {
    async fn claim_tasks(
        &self,
        instance: InstanceId,
        owners: &[OwnerId],
        task: Option<TaskId>,
    ) -> Result<Vec<Claimed>> {
        let message = v1::ClaimRequest {
            instance_id: instance.to_string(),
            owner_ids: owners.iter().map(ToString::to_string).collect(),
            task_id: task.map(|task| task.to_string()).unwrap_or_default(),
        };
        let answer = self
            .service
            .ask(CLAIM, message, |channel, request| async move { Client::new(channel).claim(request).await })
            .await?;
        each("tasks", answer.tasks).map_err(unreadable(CLAIM.what))
    }
}
