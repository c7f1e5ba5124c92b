//! Following a task to its end: progress for people, events for programs; for `run` and for `watch`.

use std::time::Duration;

use holdfast_proto::v1;
use holdfast_proto::v1::watch_task_response::Message;
use tonic::{Code, Status, Streaming};

use super::progress::Progress;
use super::summary::Ended;
use crate::client::Client;
use crate::error::Result;
use crate::output::{Output, json};

/// What whoever follows a task does when it waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Patience {
    /// Waits with it.
    #[default]
    Wait,
    /// Goes away.
    Leave,
}

/// How following a task ended.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The task has ended.
    Ended(Box<Ended>),
    /// It waits for a person, and the caller does not.
    Waits(Box<v1::TaskSummary>),
}

/// Follows one task.
#[derive(Debug)]
pub(crate) struct Follower {
    client: Client,
    task: String,
    output: Output,
    patience: Patience,
    progress: Progress,
    /// Events up to this one are history: they are taken in, and not told.
    told_up_to: u64,
    seen: u64,
}

/// How often a task that asked something is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long a stream that broke is waited for before it is opened again.
const REOPEN_AFTER: Duration = Duration::from_millis(300);

/// How often in a row a stream may break without a new event.
const REOPENED_AT_MOST: u32 = 20;

impl Follower {
    /// Makes a follower that tells what comes after `told_up_to`.
    pub(crate) fn new(
        client: Client,
        task: &str,
        output: Output,
        patience: Patience,
        told_up_to: u64,
    ) -> Self {
        let progress = Progress::default();
        Self { client, task: task.to_owned(), output, patience, progress, told_up_to, seen: 0 }
    }

    /// Follows the task to its end. A stream that breaks is taken up after the last event that arrived.
    ///
    /// Cancel-safe: dropping it harms nobody.
    pub(crate) async fn until_its_end(&mut self) -> Result<Followed> {
        let mut broken = 0;
        loop {
            let seen = self.seen;
            let status = match self.client.watch(&self.task, self.seen).await {
                Ok(stream) => match self.stream(stream).await? {
                    Streamed::Done(followed) => return Ok(followed),
                    Streamed::Broken(status) => status,
                },
                Err(status) => status,
            };
            broken = if self.seen > seen { 0 } else { broken + 1 };
            if broken > REOPENED_AT_MOST
                || !matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
            {
                return Err(self.client.refused(&status));
            }
            tokio::time::sleep(REOPEN_AFTER).await;
        }
    }

    async fn stream(&mut self, mut stream: Streaming<v1::WatchTaskResponse>) -> Result<Streamed> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                _ = look.tick(), if self.patience == Patience::Leave => {
                    let task = self.client.get(&self.task).await?;
                    // Only after the events that say what is asked: the look may be ahead of the stream.
                    if waits_for_a_person(&task) && self.seen >= task.last_seq {
                        return Ok(Streamed::Done(Followed::Waits(Box::new(task))));
                    }
                    continue;
                }
            };
            match message {
                Ok(Some(response)) => match response.message {
                    Some(Message::Event(event)) => {
                        let set_aside = event.kind == "quarantined" && event.seq > self.told_up_to;
                        self.take(event);
                        if set_aside {
                            // Nobody drives it until a person says so, however patient the caller is; one that
                            // was let out since goes on.
                            let task = self.client.get(&self.task).await?;
                            if task.status() == v1::TaskStatus::Quarantined {
                                return Ok(Streamed::Done(Followed::Waits(Box::new(task))));
                            }
                        }
                    }
                    Some(Message::Outcome(result)) => {
                        let task = self.client.get(&self.task).await?;
                        return Ok(Streamed::Done(Followed::Ended(Box::new(Ended { task, result }))));
                    }
                    None => {}
                },
                Ok(None) => return Ok(Streamed::Broken(broken())),
                Err(status) => return Ok(Streamed::Broken(status)),
            }
        }
    }

    fn take(&mut self, event: v1::TaskEvent) {
        let news = event.seq > self.told_up_to;
        if news && self.told_up_to > 0 && self.seen <= self.told_up_to {
            self.output.note(&format!("resuming {} {}", self.task, self.progress.standing()));
        }
        self.seen = event.seq;
        if news && self.output.is_json() {
            self.output.line(&json::of("TaskEvent", &event));
            return;
        }
        let lines = self.progress.take(event);
        if news {
            lines.iter().for_each(|line| self.output.note(line));
        }
    }
}

enum Streamed {
    Done(Followed),
    Broken(Status),
}

/// What an end without an outcome is.
#[allow(clippy::disallowed_methods)] // it goes nowhere: it says that the stream is to be opened again
fn broken() -> Status {
    Status::unavailable("the stream ended without an outcome")
}

/// Returns whether only a person can get the task on.
pub(crate) fn waits_for_a_person(task: &v1::TaskSummary) -> bool {
    let asks = [
        v1::WaitReason::Approval,
        v1::WaitReason::Answer,
        v1::WaitReason::UnknownOutcome,
        v1::WaitReason::Paused,
    ];
    match task.status() {
        v1::TaskStatus::Waiting => asks.contains(&task.waits_for()),
        v1::TaskStatus::Quarantined => true,
        _ => false,
    }
}
