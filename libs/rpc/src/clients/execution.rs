//! The stream of a running call, as the driver reads it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use holdfast_proto::{Invalid, v1};
use holdfast_types::worker::ExecuteEvent;
use holdfast_types::{Class, Effect, Failure, Reason, Source};
use tonic::Streaming;

use crate::status::{Sent, to_failure};

/// The events of one `Execute`: no task and no buffer of its own between the connection and its reader.
pub(super) struct Execution {
    messages: Streaming<v1::ExecuteResponse>,
    ended: bool,
}

impl Execution {
    pub(super) const fn new(messages: Streaming<v1::ExecuteResponse>) -> Self {
        Self { messages, ended: false }
    }
}

impl Stream for Execution {
    type Item = Result<ExecuteEvent, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = match ready!(Pin::new(&mut self.messages).poll_next(cx)) {
            None => None,
            Some(Err(status)) => Some(Err(to_failure(&status, Sent::Maybe))),
            Some(Ok(message)) => {
                Some(ExecuteEvent::try_from(message).map_err(|invalid| unreadable(&invalid)))
            }
        };
        self.ended = !matches!(item, Some(Ok(ExecuteEvent::Heartbeat(_))));
        if self.ended && item.is_some() {
            // The trailers are mostly here already: read, they end the HTTP/2 stream without a reset.
            let _ = Pin::new(&mut self.messages).poll_next(cx);
        }
        Poll::Ready(item)
    }
}

/// The failure of an answer that breaks the protocol: the request has arrived, and nobody knows what it did.
pub(super) fn unreadable(invalid: &Invalid) -> Failure {
    let message = format!("the worker's answer can't be read: {invalid}");
    Failure::new(Class::Transient, Effect::Unknown, Reason::DependencyError, message)
        .from_source(Source::Platform)
}
