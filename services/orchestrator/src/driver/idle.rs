//! When a driver rests: the inbox it looks into, the time it sleeps, and the task it gives back.

use std::time::Duration;

use holdfast_engine::Input;
use holdfast_telemetry::propagation;
use holdfast_types::TaskStatus;
use holdfast_types::inbox::InboxMessage;
use holdfast_types::journal::{Hold, RowUpdate};
use tokio::time::Instant;

use super::{Done, Drain, Driver, Error, Reading};

/// The shortest sleep: a clock that stands still or goes back must not make the driver spin.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The part of a drain in which calls may end: one half; the other is for the last appends.
const FOR_CALLS: u32 = 2;

impl Driver {
    /// How long until the engine wants to be woken; none where it doesn't, or while the task drains.
    pub(super) fn wake_in(&self) -> Option<Duration> {
        if self.drain != Drain::No {
            return None;
        }
        let now = self.shared.deps.clock.now();
        self.task.next_wake().map(|at| at.since(now).max(SHORTEST_SLEEP))
    }

    /// Says whether the next append gives the task back.
    pub(super) fn hold(&self) -> Hold {
        let waiting = self.writer.pending.deeds().iter();
        let pending_attempt = waiting.clone().any(super::Deed::is_attempt);
        let pending_action = waiting.clone().any(|deed| !deed.is_courtesy());
        let quiet = self.evaluating == 0 && self.ready.is_empty() && self.reading_inbox == Reading::No;
        let rests = match self.drain {
            Drain::Over => true,
            Drain::Until(_) => self.running.is_empty() && self.front.is_quiet() && !pending_attempt,
            Drain::No if self.task.is_finished() => quiet,
            Drain::No => {
                quiet
                    && !pending_action
                    && self.running.is_empty()
                    && self.task.is_idle()
                    && !self.wakes_soon()
            }
        };
        if rests { Hold::GiveBack } else { Hold::Keep }
    }

    fn wakes_soon(&self) -> bool {
        self.wake_in().is_some_and(|wait| wait <= self.shared.config.give_back_after)
    }

    /// The row for an append.
    pub(super) fn row(&self, hold: Hold) -> RowUpdate {
        let mut row = self.task.row();
        let unfinished = !matches!(row.status, TaskStatus::Finished | TaskStatus::Quarantined);
        if hold == Hold::GiveBack && self.drain != Drain::No && unfinished {
            // Somebody else goes on with it now.
            row.wake_at = Some(self.shared.deps.clock.now());
        }
        row
    }

    /// Begins to give the task back: nothing new is prepared, calls may end for a while.
    pub(super) fn begin_drain(&mut self) {
        self.drain = Drain::Until(Instant::now() + self.shared.config.drain / FOR_CALLS);
    }

    /// When calls are not waited for any more.
    pub(super) fn drain_ends(&self) -> Option<Instant> {
        match self.drain {
            Drain::Until(until) => Some(until),
            Drain::No | Drain::Over => None,
        }
    }

    /// Reads the inbox: at hints, and at least once a second (PROTOCOL 10).
    pub(super) fn read_inbox(&mut self) {
        self.next_read = Instant::now() + self.shared.config.poll_every;
        if self.reading_inbox != Reading::No {
            self.reading_inbox = Reading::Again;
            return;
        }
        self.reading_inbox = Reading::Yes;
        let inbox = std::sync::Arc::clone(&self.shared.deps.inbox);
        let task = self.claim.task;
        // A look every second is not worth a span.
        let look = propagation::under(None, async move { Done::Inbox(inbox.read(task).await) });
        self.work.push(Box::pin(look));
    }

    pub(super) fn inbox_read(
        &mut self,
        messages: holdfast_ports::Result<Vec<InboxMessage>>,
    ) -> Result<(), Error> {
        if std::mem::replace(&mut self.reading_inbox, Reading::No) == Reading::Again {
            self.read_inbox();
        }
        match messages {
            Ok(messages) => {
                for message in messages {
                    if self.taken.insert(message.id) {
                        self.feed(Input::Message(message), None)?;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(task_id = %self.claim.task, %error, "inbox is not read; trying again")
            }
        }
        Ok(())
    }
}
