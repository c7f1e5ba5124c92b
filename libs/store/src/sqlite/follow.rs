//! Following a task: pages of events, and between them a wait for news. Nothing is held while the follower is slow.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt};
use holdfast_ports::{Error, Result};
use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;

use super::SqliteStore;
use crate::notices::Subscription;

/// So many events are read at once: a follower of a long task holds one page.
const PAGE: i64 = 256;

struct Follower {
    store: SqliteStore,
    task: TaskId,
    no: i64,
    after: u64,
    page: VecDeque<EventRow>,
    news: Subscription<TaskId>,
    ended: bool,
}

pub(super) async fn follow(
    store: SqliteStore,
    task: TaskId,
    after: u64,
) -> Result<BoxStream<'static, Result<EventRow>>> {
    let no = store.task_no(task).await?;
    let news = store.inner.notices.tasks.subscribe(task);
    let follower = Follower { store, task, no, after, page: VecDeque::new(), news, ended: false };
    Ok(stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((event, follower))
    })
    .boxed())
}

impl Follower {
    /// The next event; an error where the store can't be read now (the stream goes on), and as the last where the
    /// task has been removed.
    async fn next(&mut self) -> Option<Result<EventRow>> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(event) = self.page.pop_front() {
                self.after = event.seq;
                return Some(Ok(event));
            }
            self.news.rearm();
            match self.read().await {
                Ok(true) => {}
                Ok(false) => self.news.wait(self.store.inner.config.poll).await,
                Err(error) => {
                    self.ended = !error.is_transient();
                    return Some(Err(error));
                }
            }
        }
    }

    /// Reads a page; says whether there was anything.
    async fn read(&mut self) -> Result<bool, Error> {
        self.page = self.store.read_events(self.no, self.after, PAGE).await?.into();
        if self.page.is_empty() {
            self.store.task_no(self.task).await?;
        }
        Ok(!self.page.is_empty())
    }
}
