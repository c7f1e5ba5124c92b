//! Follows a task to its end.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use holdfast_engine::decode;
use holdfast_engine::event::{Event, Finished};
use holdfast_types::journal::EventRow;
use holdfast_types::{TaskId, TaskStatus, Timestamp};

use super::redact::Redactor;
use super::{ApiError, Orchestrator};

/// What a watcher sees.
pub type WatchStream = BoxStream<'static, Result<WatchItem, ApiError>>;

/// One thing that a watcher sees.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchItem {
    /// An event, in the order of seq, without gaps; what is sensitive is redacted.
    Event(EventRow),
    /// How the task ended: once, as the last; what is sensitive is redacted.
    Outcome {
        /// How.
        finished: Box<Finished>,
        /// When.
        at: Timestamp,
    },
}

/// Where a watch is.
struct Watch {
    orchestrator: Orchestrator,
    id: TaskId,
    events: BoxStream<'static, holdfast_ports::Result<EventRow>>,
    redactor: Redactor,
    state: State,
}

enum State {
    /// Events come.
    Following,
    /// The last event was the end: the outcome comes next.
    Ending(Box<Finished>, Timestamp),
    /// Nothing comes any more.
    Over,
}

impl Orchestrator {
    /// Follows a task from after a sequence number until it has ended. A watcher that is slow or vanishes costs
    /// nobody anything.
    ///
    /// # Errors
    /// [`ApiError::NotFound`]; [`ApiError::OutOfRange`] for a place beyond the journal's end; [`ApiError::Store`].
    pub async fn watch(&self, id: TaskId, after_seq: u64) -> Result<WatchStream, ApiError> {
        // The first event is there before anybody knows the task: from the beginning nothing is out of range, or over.
        let state = if after_seq == 0 { State::Following } else { self.state_after(id, after_seq).await? };
        let redactor = self.redactor(id).await?;
        let events = self.shared.deps.journal.follow(id, after_seq).await?;
        let watch = Watch { orchestrator: self.clone(), id, events, redactor, state };
        Ok(stream::unfold(watch, |mut watch| async move {
            let item = watch.next().await?;
            Some((item, watch))
        })
        .boxed())
    }

    /// Where a watch begins that has seen a part of the journal.
    async fn state_after(&self, id: TaskId, after_seq: u64) -> Result<State, ApiError> {
        let row = self.row(id).await?;
        if after_seq > row.last_seq {
            return Err(ApiError::OutOfRange { field: "after_seq", seq: after_seq, last_seq: row.last_seq });
        }
        let ended = row.status == TaskStatus::Finished && after_seq == row.last_seq;
        if ended { self.end_of(id, row.last_seq).await } else { Ok(State::Following) }
    }

    /// Finds how a finished task ended: by its last `finished` event.
    async fn end_of(&self, id: TaskId, last_seq: u64) -> Result<State, ApiError> {
        // What follows the end is few: refused messages, and the lives that refused them.
        let mut before = last_seq;
        while before > 0 {
            let after = before.saturating_sub(64);
            let rows = self.shared.deps.journal.events(id, after, 64).await?;
            let end = rows.iter().rev().find(|row| row.kind == "finished" && row.seq <= last_seq);
            if let Some(row) = end
                && let Some(finished) = finished(id, row)?
            {
                return Ok(State::Ending(finished, row.at));
            }
            before = after;
        }
        Ok(State::Following)
    }

    async fn is_last_end(&self, id: TaskId, seq: u64, last_seq: u64) -> Result<bool, ApiError> {
        let mut after = seq;
        while after < last_seq {
            let rows = self.shared.deps.journal.events(id, after, 256).await?;
            let Some(last) = rows.last() else { break };
            if rows.iter().any(|row| row.kind == "finished") {
                return Ok(false);
            }
            after = last.seq;
        }
        Ok(true)
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Result<WatchItem, ApiError>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => None,
            State::Ending(finished, at) => {
                Some(Ok(WatchItem::Outcome { finished: self.redactor.finished(finished), at }))
            }
            State::Following => {
                let row = match self.events.next().await? {
                    Ok(row) => row,
                    Err(error) => return Some(Err(error.into())),
                };
                let blobs = &*self.orchestrator.shared.deps.blobs;
                if let Err(error) = self.redactor.learn(&row, blobs).await {
                    return Some(Err(error.into()));
                }
                match after(&self.orchestrator, self.id, &row).await {
                    Ok(state) => self.state = state,
                    Err(error) => return Some(Err(error)),
                }
                Some(Ok(WatchItem::Event(self.redactor.event(row))))
            }
        }
    }
}

/// Says whether an event is the end: a finished task may go on once more, to be compensated.
async fn after(orchestrator: &Orchestrator, id: TaskId, row: &EventRow) -> Result<State, ApiError> {
    if row.kind != "finished" {
        return Ok(State::Following);
    }
    let Some(finished) = finished(id, row)? else { return Ok(State::Following) };
    let now = orchestrator.row(id).await?;
    let is_end =
        now.status == TaskStatus::Finished && orchestrator.is_last_end(id, row.seq, now.last_seq).await?;
    Ok(if is_end { State::Ending(finished, row.at) } else { State::Following })
}

fn finished(id: TaskId, row: &EventRow) -> Result<Option<Box<Finished>>, ApiError> {
    match decode(row).map_err(|source| ApiError::Unreadable { task: id, source: source.into() })? {
        Event::Finished(finished) => Ok(Some(finished)),
        _ => Ok(None),
    }
}
