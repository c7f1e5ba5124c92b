//! Inboxes, and the hints that come over the sessions' streams.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use holdfast_ports::{Inbox, Result};
use holdfast_proto::convert::fields::each;
use holdfast_proto::v1;
use holdfast_types::TaskId;
use holdfast_types::inbox::InboxMessage;
use tokio::sync::broadcast::error::RecvError;

use super::{Client, RemoteStore, unreadable};
use crate::clients::replicas::Verb;

const PUT: Verb = Verb::harmless("put a message");
const READ: Verb = Verb::harmless("read an inbox");

#[async_trait]
impl Inbox for RemoteStore {
    async fn put(&self, message: InboxMessage) -> Result<()> {
        let message = v1::PutInboxRequest { message: Some(message.into()) };
        self.service
            .ask(
                PUT,
                message,
                |channel, request| async move { Client::new(channel).put_inbox(request).await },
            )
            .await?;
        Ok(())
    }

    async fn read(&self, task: TaskId) -> Result<Vec<InboxMessage>> {
        let message = v1::ListInboxRequest { task_ids: vec![task.to_string()] };
        let answer =
            self.service
                .ask(READ, message, |channel, request| async move {
                    Client::new(channel).list_inbox(request).await
                })
                .await?;
        each("messages", answer.messages).map_err(unreadable(READ.what))
    }

    /// Yields what the streams of this client's sessions tell; without a session nothing.
    async fn wakeups(&self) -> Result<BoxStream<'static, TaskId>> {
        let hints = self.sessions.woken();
        let next = |mut hints: tokio::sync::broadcast::Receiver<TaskId>| async move {
            loop {
                match hints.recv().await {
                    Ok(task) => return Some((task, hints)),
                    // Who lags has missed hints: polling finds those tasks.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        Ok(stream::unfold(hints, next).boxed())
    }
}
