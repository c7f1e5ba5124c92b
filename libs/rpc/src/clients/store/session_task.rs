//! The task that keeps a session's stream: it passes renewals on, and opens the stream again where it breaks.

use std::time::Duration;

use holdfast_ports::{Renewal, Renewed, Result};
use holdfast_proto::v1::instance_session_request::open::Earlier;
use holdfast_proto::v1::instance_session_response::Message as Tell;
use holdfast_types::{InstanceId, TaskId};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::session::{Order, silent};
use super::session_stream::{Opening, SessionStream, connect};
use super::unreadable;
use crate::clients::Replicas;
use crate::convert::read_renewed;

/// The first and the longest pause between two tries to open the stream again: the first come within the grace in
/// which the service waits for it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Keeps a session until it is closed, has ended, or nobody asks any more.
pub(super) struct SessionTask {
    service: Replicas,
    instance: InstanceId,
    stream: SessionStream,
    orders: mpsc::Receiver<Order>,
    asked: Asked,
    woken: broadcast::Sender<TaskId>,
}

/// The renewal that waits for its answer.
#[derive(Default)]
struct Asked {
    number: u64,
    pending: Option<(Renewal, oneshot::Sender<Result<Renewed>>)>,
}

/// Why the task stops listening.
enum Stop {
    /// The stream has broken.
    Broken,
    /// There is nothing to keep any more.
    Over,
    Close(oneshot::Sender<Result<()>>),
}

impl SessionTask {
    pub(super) fn new(
        service: Replicas,
        instance: InstanceId,
        stream: SessionStream,
        orders: mpsc::Receiver<Order>,
        woken: broadcast::Sender<TaskId>,
    ) -> Self {
        Self { service, instance, stream, orders, asked: Asked::default(), woken }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.listen().await {
                Stop::Over => return,
                Stop::Close(answer) => {
                    let _ = answer.send(self.stream.close().await);
                    return;
                }
                Stop::Broken => {}
            }
            match self.reopen().await {
                Some(stream) => self.stream = stream,
                None => return,
            }
            if let Some((renewal, _)) = &self.asked.pending {
                self.stream.renew(self.asked.number, renewal);
            }
        }
    }

    async fn listen(&mut self) -> Stop {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Stop::Over,
                    Some(Order::Close(answer)) => return Stop::Close(answer),
                    Some(Order::Renew(renewal, answer)) => {
                        let number = self.asked.take(renewal.clone(), answer);
                        self.stream.renew(number, &renewal);
                    }
                },
                told = self.stream.tell() => match told {
                    None => return Stop::Broken,
                    Some(Tell::Ended(_)) => {
                        self.asked.answer(Ok(Renewed::Ended));
                        return Stop::Over;
                    }
                    Some(Tell::Renewed(renewed)) if renewed.renewal == self.asked.number => {
                        self.asked.answer(read_renewed(renewed).map_err(unreadable("renew")));
                    }
                    // An opening says nothing new here, and a late answer is of a renewal that nobody waits for.
                    Some(Tell::Renewed(_) | Tell::Opened(_)) => {}
                    Some(Tell::Woken(woken)) => {
                        for task in woken.task_ids.iter().filter_map(|id| id.parse().ok()) {
                            // Nobody listens: nobody needs the hint.
                            let _ = self.woken.send(task);
                        }
                    }
                },
            }
        }
    }

    /// Opens a stream that takes the session up; none where it has ended or nobody needs it any more.
    async fn reopen(&mut self) -> Option<SessionStream> {
        let mut pause = PAUSES.0;
        loop {
            let opening = tokio::select! {
                opening = connect(&self.service, self.instance, Earlier::TakenUp) => opening,
                () = give_up(&mut self.orders, &mut self.asked) => return None,
            };
            match opening {
                Ok(Opening::Opened(opened)) => return Some(opened.stream),
                Ok(Opening::Ended) => {
                    self.asked.answer(Ok(Renewed::Ended));
                    return None;
                }
                Err(error) => {
                    tracing::debug!(instance = %self.instance, %error, "session's stream is not open")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = give_up(&mut self.orders, &mut self.asked) => return None,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// Takes renewals in while there is no stream; returns where nobody needs one any more.
async fn give_up(orders: &mut mpsc::Receiver<Order>, asked: &mut Asked) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Renew(renewal, answer) => {
                asked.take(renewal, answer);
            }
            Order::Close(answer) => {
                // The lease ends it.
                let _ = answer.send(Err(silent("close")));
                return;
            }
        }
    }
}

impl Asked {
    /// Takes a renewal in; who waited for an earlier one has given up. Returns its number.
    fn take(&mut self, renewal: Renewal, answer: oneshot::Sender<Result<Renewed>>) -> u64 {
        self.number += 1;
        self.pending = Some((renewal, answer));
        self.number
    }

    fn answer(&mut self, renewed: Result<Renewed>) {
        if let Some((_, answer)) = self.pending.take() {
            let _ = answer.send(renewed);
        }
    }
}
