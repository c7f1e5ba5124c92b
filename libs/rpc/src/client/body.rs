//! The body of an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::{Error, SharedError};

const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// An answer's body, whose end by the transport is told apart from an end by the server.
#[derive(Debug)]
pub struct Answer {
    incoming: Incoming,
    address: Arc<str>,
}

impl Answer {
    pub(super) fn new(incoming: Incoming, address: Arc<str>) -> Self {
        Self { incoming, address }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = SharedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SharedError>>> {
        let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    drop_broken_details(trailers);
                }
                Some(Ok(frame))
            }
            Some(Err(source)) => Some(Err(Error::Lost { address: self.address.to_string(), source }.into())),
            None => None,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Drops status details that are no base64: tonic would panic on them.
pub(super) fn drop_broken_details(headers: &mut HeaderMap) {
    const ENGINE: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let broken = headers.get(DETAILS).is_some_and(|value| ENGINE.decode(value.as_bytes()).is_err());
    if broken {
        headers.remove(DETAILS);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn details_that_are_no_base64_are_dropped() {
        for (text, kept) in [("CAU", true), ("CAU=", true), ("!!", false), ("C", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(DETAILS, HeaderValue::from_static(text));
            drop_broken_details(&mut headers);
            assert_eq!(headers.contains_key(DETAILS), kept, "{text}");
        }
    }
}
