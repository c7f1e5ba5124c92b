//! The body of an answer, bound by the call's deadline.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::body::Body;
use tonic::{Code, Status};

use super::dispatch::too_late;
use crate::trace::Under;

/// An answer's body. A stream that is still open at the caller's deadline ends with `DEADLINE_EXCEEDED`.
pub(super) struct Bounded {
    body: Body,
    /// Made at the first wait: most answers end before there is one.
    deadline: Option<(Instant, Option<Pin<Box<Sleep>>>)>,
    ended: bool,
    /// The call lasts as long as its answer.
    under: Under,
}

impl Bounded {
    pub(super) fn new(body: Body, deadline: Option<Instant>, under: Under) -> Self {
        Self { body, deadline: deadline.map(|at| (at, None)), ended: false, under }
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let ready @ Poll::Ready(_) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Poll::Ready(Some(Ok(frame))) = &ready
                && let Some(trailers) = frame.trailers_ref()
            {
                self.under.end_by(trailers);
            }
            return ready;
        }
        let Some((at, sleep)) = &mut self.deadline else { return Poll::Pending };
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(*at)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.ended = true;
        self.body = Body::empty();
        self.under.end(Code::DeadlineExceeded);
        let mut trailers = HeaderMap::new();
        match too_late().add_header(&mut trailers) {
            Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(status) => Poll::Ready(Some(Err(status))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
