//! Whose end of a connection it was.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};

/// Whose end it was, as the transport tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ender {
    /// The peer's own: it has closed or reset the connection, or its process has died.
    Peer,
    /// Ours (a shutdown), or nobody's that is known (silence): the peer may live.
    Other,
}

/// How the connection of a call has ended: in the extensions of every request.
#[derive(Debug, Clone, Default)]
pub struct ConnectionEnd(Arc<OnceLock<Ender>>);

impl ConnectionEnd {
    /// Whose end it was; none while the connection lives.
    #[must_use]
    pub fn ender(&self) -> Option<Ender> {
        self.0.get().copied()
    }
}

/// Says how a connection has ended, at the latest when it is dropped.
pub(super) struct Teller(ConnectionEnd);

impl Teller {
    pub(super) fn new() -> Self {
        Self(ConnectionEnd::default())
    }

    pub(super) fn end(&self) -> ConnectionEnd {
        self.0.clone()
    }

    /// This side has begun to end it, or dropped it.
    pub(super) fn ours(&self) {
        self.tell(Ender::Other);
    }

    pub(super) fn ended(&self, ended: &Result<(), hyper::Error>) {
        self.tell(match ended {
            Ok(()) => Ender::Peer,
            Err(error) if is_peers(error) => Ender::Peer,
            Err(_) => Ender::Other,
        });
    }

    /// The first word stands.
    fn tell(&self, ender: Ender) {
        let _ = self.0.0.set(ender);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.ours();
    }
}

/// Says whether an error is the peer's end. A sign of life that did not come in time is not: the peer may be frozen or
/// cut off.
fn is_peers(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            return matches!(
                cause.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::NotConnected
            );
        }
        source = cause.source();
    }
    false
}
