//! Rows of tasks.

use async_trait::async_trait;
use holdfast_ports::{Error, Page, Result, TaskPage, Tasks};
use holdfast_proto::convert::fields::{each, required};
use holdfast_proto::convert::{list_request, time};
use holdfast_proto::v1;
use holdfast_types::journal::TaskFilter;
use holdfast_types::task::TaskRow;
use holdfast_types::{TaskId, Timestamp};

use super::{Client, RemoteStore, unreadable};
use crate::clients::replicas::Verb;

const GET: Verb = Verb::harmless("get a task");
const LIST: Verb = Verb::harmless("list tasks");

/// The largest page that the service makes.
const PAGE: u32 = 1_000;

#[async_trait]
impl Tasks for RemoteStore {
    async fn get(&self, task: TaskId) -> Result<TaskRow> {
        let message = v1::GetTaskRowRequest { task_id: task.to_string() };
        let answer =
            self.service
                .ask(GET, message, |channel, request| async move {
                    Client::new(channel).get_task_row(request).await
                })
                .await?;
        required("row", answer.row).map_err(unreadable(GET.what))
    }

    async fn list(&self, filter: TaskFilter, page: Page) -> Result<TaskPage> {
        // On the wire an empty token stands for the first page; a caller that has one has made it up.
        let token = match page.token {
            Some(token) if token.is_empty() => {
                return Err(Error::Invalid {
                    field: "page.token".into(),
                    why: "not a token of this store".into(),
                });
            }
            token => token.unwrap_or_default(),
        };
        let message = list_request(filter, page.size.clamp(1, PAGE), token);
        let answer =
            self.service
                .ask(LIST, message, |channel, request| async move {
                    Client::new(channel).list_tasks(request).await
                })
                .await?;
        Ok(TaskPage {
            tasks: each("tasks", answer.tasks).map_err(unreadable(LIST.what))?,
            next: Some(answer.next_page_token).filter(|token| !token.is_empty()),
        })
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let finished_before = Some(time::timestamp(before));
        let pruned =
            self.prune_all(v1::PruneRequest { finished_before, tasks: limit, ..Default::default() }).await?;
        Ok(pruned.tasks)
    }
}

/// The most of each kind that the service removes at once.
const PRUNED: u32 = 1_000;

impl RemoteStore {
    /// Removes what nothing needs any more.
    pub(super) async fn prune_all(&self, message: v1::PruneRequest) -> Result<v1::PruneResponse> {
        let message = v1::PruneRequest {
            tasks: message.tasks.min(PRUNED),
            keys: message.keys.min(PRUNED),
            blobs: message.blobs.min(PRUNED),
            ..message
        };
        self.service
            .ask(Verb::harmless("prune"), message, |channel, request| async move {
                Client::new(channel).prune(request).await
            })
            .await
    }
}
