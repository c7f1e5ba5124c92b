//! One stream of a session, from its first message to its end.

use std::time::Duration;

use futures::channel::mpsc;
use holdfast_ports::{Renewal, Result, Session};
use holdfast_proto::v1;
use holdfast_proto::v1::instance_session_request::open::Earlier;
use holdfast_proto::v1::instance_session_request::{Close, Message as Ask, Open, Renew};
use holdfast_proto::v1::instance_session_response::Message as Tell;
use holdfast_types::InstanceId;
use tonic::{Code, Status, Streaming};

use super::{Client, unreadable};
use crate::clients::Replicas;
use crate::clients::replicas::Verb;
use crate::convert::read_session;
use crate::status::{Problem, to_port};

const OPEN: Verb = Verb::harmless("open a session").within(Duration::from_secs(3));

/// Messages that were asked for and are not on the wire yet; there is one at a time.
const ASKS: usize = 4;

/// A stream on which the session is open.
pub(super) struct SessionStream {
    asks: mpsc::Sender<v1::InstanceSessionRequest>,
    tells: Streaming<v1::InstanceSessionResponse>,
}

/// What opening a stream has brought.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) stream: SessionStream,
}

/// What became of opening a stream.
pub(super) enum Opening {
    Opened(Box<Opened>),
    /// The session that was to be taken up has ended.
    Ended,
}

/// Opens a stream at a replica that answers.
pub(super) async fn connect(service: &Replicas, instance: InstanceId, earlier: Earlier) -> Result<Opening> {
    let open = Open { instance_id: instance.to_string(), earlier: earlier.into() };
    let begin = |channel| {
        let open = Ask::Open(open.clone());
        async move {
            let (mut asks, requests) = mpsc::channel(ASKS);
            let _ = asks.try_send(message(open));
            let mut tells = Client::new(channel).instance_session(requests).await?.into_inner();
            let told = tells.message().await?.and_then(|told| told.message);
            Ok((told, SessionStream { asks, tells }))
        }
    };
    let (told, stream) = service.attempt(OPEN, begin).await.map_err(|status| to_port(&status, OPEN.what))?;
    match told {
        Some(Tell::Opened(session)) => {
            let session = read_session(session).map_err(unreadable(OPEN.what))?;
            Ok(Opening::Opened(Box::new(Opened { session, stream })))
        }
        Some(Tell::Ended(_)) => Ok(Opening::Ended),
        Some(Tell::Renewed(_) | Tell::Woken(_)) | None => Err(to_port(&ended(), OPEN.what)),
    }
}

impl SessionStream {
    /// The next message; none at the stream's end, whoever has made it.
    pub(super) async fn tell(&mut self) -> Option<Tell> {
        loop {
            match self.tells.message().await {
                // A message that says nothing is of a newer server.
                Ok(Some(told)) => {
                    if let Some(told) = told.message {
                        return Some(told);
                    }
                }
                Ok(None) => return None,
                Err(status) => {
                    tracing::debug!(%status, "session's stream ended");
                    return None;
                }
            }
        }
    }

    /// Asks for a renewal. One that does not go out is noticed as the stream's end.
    pub(super) fn renew(&mut self, number: u64, renewal: &Renewal) {
        let renew = Renew { renewal: number, driving: renewal.driving, digest: renewal.digest };
        let _ = self.asks.try_send(message(Ask::Renew(renew)));
    }

    /// Closes the session, and waits until the service says that it is closed.
    pub(super) async fn close(mut self) -> Result<()> {
        let _ = self.asks.try_send(message(Ask::Close(Close {})));
        loop {
            match self.tells.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(status) => return Err(to_port(&status, "close a session")),
            }
        }
    }
}

fn message(ask: Ask) -> v1::InstanceSessionRequest {
    v1::InstanceSessionRequest { message: Some(ask) }
}

fn ended() -> Status {
    Problem::refused(Code::Unavailable, "STREAM_ENDED", "the session's stream ended before it was open")
        .into()
}
