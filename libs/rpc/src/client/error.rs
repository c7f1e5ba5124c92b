//! What can go wrong between a client and a server, and whether the request may have arrived.

use std::error::Error as StdError;

use tonic::Status;

use crate::status::Sent;

/// A failure of the transport.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection was made.
    #[error("can't connect to {address}")]
    Connect {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No connection was made in time.
    #[error("can't connect to {address} in time")]
    ConnectTimeout {
        /// The address.
        address: String,
    },
    /// A connection was made, but it can't be secured: one side does not trust the other, or does not speak TLS.
    #[error("no TLS with {address}: {why}")]
    Tls {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
    /// A connection was made, but the other side does not speak HTTP/2.
    #[error("{address} does not speak HTTP/2")]
    Handshake {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The address is not `HOST:PORT`.
    #[error("'{address}' is not HOST:PORT")]
    Address {
        /// The address.
        address: String,
    },
    /// The connection ended before the request went out.
    #[error("the connection to {address} ended before the request was sent")]
    NotSent {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The other side refused the stream before it looked at the request: `REFUSED_STREAM`, or a GOAWAY that does not
    /// count it any more (RFC 9113, 8.7).
    #[error("{address} refused the request unread")]
    Refused {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The connection broke after the request went out, or while it did.
    #[error("the connection to {address} was lost")]
    Lost {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
}

impl Error {
    /// Says whether the request may have arrived.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls { .. }
            | Self::Handshake { .. }
            | Self::Address { .. }
            | Self::NotSent { .. }
            | Self::Refused { .. } => Sent::No,
            Self::Lost { .. } => Sent::Maybe,
        }
    }

    /// Makes the error of a request that went out and has no answer.
    pub(super) fn of_unanswered(address: String, source: hyper::Error) -> Self {
        match is_refused(&source) {
            true => Self::Refused { address, source },
            false => Self::Lost { address, source },
        }
    }

    /// Finds the failure of the transport that a status stands for, if it does.
    #[must_use]
    pub fn behind(status: &Status) -> Option<&Self> {
        let mut source = status.source();
        while let Some(error) = source {
            if let Some(shared) = error.downcast_ref::<SharedError>() {
                return Some(&shared.0);
            }
            source = error.source();
        }
        None
    }
}

/// Says whether the other side has proven that it did not process the stream.
fn is_refused(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            let unread = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let uncounted = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            return error.is_remote() && (unread || uncounted);
        }
        source = cause.source();
    }
    false
}

/// A failure that several waiting calls share: those that waited for one dial.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct SharedError(pub std::sync::Arc<Error>);

impl From<Error> for SharedError {
    fn from(error: Error) -> Self {
        Self(std::sync::Arc::new(error))
    }
}
