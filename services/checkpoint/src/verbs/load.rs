//! `Load`: the row, the snapshot, and events, as a stream of messages.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt};
use holdfast_proto::convert::fields::text;
use holdfast_proto::v1;
use holdfast_proto::v1::load_request::From;
use holdfast_proto::v1::load_response::Part;
use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;
use tonic::Status;

use crate::answer::messages;
use crate::{Checkpoint, Error};

/// So many events are read at once: a long journal takes little memory.
const PAGE: u32 = 256;

type Parts = BoxStream<'static, Result<v1::LoadResponse, Status>>;

pub(crate) async fn load(service: &Checkpoint, wire: v1::LoadRequest) -> Result<Parts, Error> {
    let task: TaskId = text("task_id", &wire.task_id)?;
    let row = service.deps.tasks.get(task).await?;
    let first = part(Part::Row(row.into()));
    let limit = if wire.limit == 0 { u32::MAX } else { wire.limit };
    Ok(match wire.from {
        None => {
            let mut loaded = service.deps.journal.load(task).await?;
            loaded.events.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let snapshot = loaded.snapshot.map(|snapshot| part(Part::Snapshot(snapshot.into())));
            stream::iter([first])
                .chain(stream::iter(snapshot))
                .chain(stream::iter(batches(loaded.events)))
                .boxed()
        }
        Some(From::AfterSeq(after)) => {
            let pages = Pages { service: service.clone(), task, after, left: limit, ready: VecDeque::new() };
            stream::iter([first]).chain(stream::unfold(pages, Pages::next)).boxed()
        }
    })
}

type Message = Result<v1::LoadResponse, Status>;

fn part(part: Part) -> Message {
    Ok(v1::LoadResponse { part: Some(part) })
}

fn batches(events: Vec<EventRow>) -> VecDeque<Message> {
    let events = events.into_iter().map(Into::into).collect();
    messages(events).into_iter().map(|events| part(Part::Events(v1::EventBatch { events }))).collect()
}

struct Pages {
    service: Checkpoint,
    task: TaskId,
    after: u64,
    left: u32,
    ready: VecDeque<Message>,
}

impl Pages {
    async fn next(mut self) -> Option<(Message, Self)> {
        if self.ready.is_empty()
            && self.left > 0
            && let Err(error) = self.read().await
        {
            self.left = 0;
            return Some((Err(error.into()), self));
        }
        self.ready.pop_front().map(|message| (message, self))
    }

    async fn read(&mut self) -> Result<(), Error> {
        let page = self.left.min(PAGE);
        let events = self.service.deps.journal.events(self.task, self.after, page).await?;
        let read = u32::try_from(events.len()).unwrap_or(page);
        self.left = if read < page { 0 } else { self.left - read };
        self.after = events.last().map_or(self.after, |event| event.seq);
        self.ready = batches(events);
        Ok(())
    }
}
