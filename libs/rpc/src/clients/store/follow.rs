//! Following a task over connections that come and go: each new one begins after the last event that was read.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use holdfast_ports::{Error, Result};
use holdfast_proto::convert::fields::each;
use holdfast_proto::v1;
use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;
use tonic::{Request, Streaming};

use super::{Client, unreadable};
use crate::clients::Replicas;
use crate::clients::replicas::Verb;
use crate::status::to_port;

const FOLLOW: Verb = Verb::harmless("follow a task");

/// The first and the longest pause before a lost stream is taken up again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Follows. A failure at the beginning is the caller's; later ones are waited out.
pub(super) async fn follow(
    service: Replicas,
    task: TaskId,
    after: u64,
) -> Result<BoxStream<'static, Result<EventRow>>> {
    let events = begin(&service, task, after).await?;
    let follower = Follower { service, task, after, state: State::Reading(events), ready: VecDeque::new() };
    Ok(stream::unfold(follower, Follower::next).boxed())
}

async fn begin(service: &Replicas, task: TaskId, after: u64) -> Result<Box<Streaming<v1::FollowResponse>>> {
    let begin = |channel| async move {
        let message = v1::FollowRequest { task_id: task.to_string(), after_seq: after };
        // Without a deadline: it goes on until the caller ends it.
        Client::new(channel).follow(Request::new(message)).await.map(|answer| Box::new(answer.into_inner()))
    };
    service.attempt(FOLLOW, begin).await.map_err(|status| to_port(&status, FOLLOW.what))
}

enum State {
    Reading(Box<Streaming<v1::FollowResponse>>),
    Lost,
    Over,
}

struct Follower {
    service: Replicas,
    task: TaskId,
    /// The last event that was handed out, or what the caller knew.
    after: u64,
    state: State,
    ready: VecDeque<EventRow>,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<EventRow>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                // A repeat after a lost connection has no gap and no event twice.
                if event.seq <= self.after {
                    continue;
                }
                self.after = event.seq;
                return Some((Ok(event), self));
            }
            let read = match &mut self.state {
                State::Over => return None,
                State::Lost => self.resume().await,
                State::Reading(events) => match events.message().await {
                    Ok(Some(message)) => each("events", message.events)
                        .map(|events: Vec<EventRow>| self.ready.extend(events))
                        .map_err(unreadable(FOLLOW.what)),
                    Ok(None) => {
                        self.state = State::Lost;
                        Ok(())
                    }
                    Err(status) => self.broken(to_port(&status, FOLLOW.what)),
                },
            };
            if let Err(error) = read {
                self.state = State::Over;
                return Some((Err(error), self));
            }
        }
    }

    fn broken(&mut self, error: Error) -> Result<()> {
        if !error.is_transient() {
            return Err(error);
        }
        tracing::debug!(task = %self.task, %error, "follower lost its stream");
        self.state = State::Lost;
        Ok(())
    }

    async fn resume(&mut self) -> Result<()> {
        let mut pause = PAUSES.0;
        loop {
            match begin(&self.service, self.task, self.after).await {
                Ok(events) => {
                    self.state = State::Reading(events);
                    return Ok(());
                }
                Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
                Err(error) => return Err(error),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
