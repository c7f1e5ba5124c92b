//! Following a task: pages of events, and between them a wait for news. Nothing is held while the follower is slow.
//!
//! A follower that keeps up reads what this process has just committed from memory; one that has fallen behind, or whose
//! task another process writes, reads the tables.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use holdfast_ports::{Journal, Result};
use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;

use crate::notices::{Heard, Subscription};
use crate::tail::Tail;

/// So many events are read at once: a follower of a long task holds one page.
const PAGE: u32 = 256;

/// What a follower does next, once it has passed on what it holds.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// It waits for news, and reads the tables from time to time besides.
    Wait,
    /// It reads what was told, and where that does not say it, the tables.
    Tail,
    /// It reads the tables.
    Tables,
}

impl Next {
    /// After a page of the tables: what it left there is known to nobody else.
    fn after(page: &[EventRow]) -> Self {
        if page.len() < PAGE as usize { Self::Wait } else { Self::Tables }
    }
}

struct Follower<J> {
    tables: J,
    task: TaskId,
    after: u64,
    page: VecDeque<EventRow>,
    news: Subscription<TaskId, Tail>,
    /// How often the tables are read besides.
    poll: Duration,
    next: Next,
    ended: bool,
}

/// Follows a task from after a place; `news` are of that task.
///
/// # Errors
/// Those of a read of its events.
pub(crate) async fn follow(
    tables: impl Journal + 'static,
    task: TaskId,
    after: u64,
    news: Subscription<TaskId, Tail>,
    poll: Duration,
) -> Result<BoxStream<'static, Result<EventRow>>> {
    let page = tables.events(task, after, PAGE).await?;
    let next = Next::after(&page);
    let follower = Follower { tables, task, after, page: page.into(), news, poll, next, ended: false };
    Ok(stream::unfold(follower, |mut follower| async move {
        let event = follower.event().await?;
        Some((event, follower))
    })
    .boxed())
}

impl<J: Journal> Follower<J> {
    /// The next event; an error where the store can't be read now (the stream goes on), and as the last where the
    /// task has been removed.
    async fn event(&mut self) -> Option<Result<EventRow>> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(event) = self.page.pop_front() {
                self.after = event.seq;
                return Some(Ok(event));
            }
            match self.next {
                Next::Wait => {
                    self.next = match self.news.wait(self.poll).await {
                        Heard::News => Next::Tail,
                        Heard::Nothing => Next::Tables,
                    };
                }
                Next::Tail => match self.news.told(|tail| tail.after(self.after)).flatten() {
                    Some(page) => {
                        self.page = page.into();
                        self.next = Next::Wait;
                    }
                    None => self.next = Next::Tables,
                },
                Next::Tables => {
                    self.news.rearm();
                    match self.tables.events(self.task, self.after, PAGE).await {
                        Ok(page) => {
                            self.next = Next::after(&page);
                            self.page = page.into();
                        }
                        Err(error) => {
                            self.ended = !error.is_transient();
                            return Some(Err(error));
                        }
                    }
                }
            }
        }
    }
}
