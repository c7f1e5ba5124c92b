//! Failures of the operating system's I/O.

use std::error::Error;
use std::io::ErrorKind;

use holdfast_types::{Class, Failure, Reason};

use super::{Context, Finding, Proof, Sent};

/// Classifies an I/O error. Of wrapped errors give the innermost: it decides.
#[must_use]
pub fn classify(context: &Context<'_>, kind: ErrorKind, message: &str) -> Failure {
    let (class, reason, proof) = meaning(context, kind);
    context.conclude(Finding::new(class, reason, message).proof(proof))
}

/// Finds the kind of the innermost I/O error among an error and its causes: of wrapped errors the innermost decides.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        found = io.map(std::io::Error::kind).or(found);
        // An I/O error gives the causes of what it wraps, not what it wraps.
        next = match io.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    found
}

pub(super) fn meaning(context: &Context<'_>, kind: ErrorKind) -> (Class, Reason, Proof) {
    use Class::{Permanent, Semantic, Transient};
    use Proof::{NeverArrived, Nothing, Refused};
    match kind {
        // These come from connecting only, so nothing was sent, whatever the caller could tell.
        ErrorKind::ConnectionRefused
        | ErrorKind::NotConnected
        | ErrorKind::AddrInUse
        | ErrorKind::AddrNotAvailable => (Transient, Reason::ConnectFailed, NeverArrived),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => match context.sent {
            Sent::No => (Transient, Reason::ConnectFailed, Nothing),
            Sent::Maybe => (Transient, Reason::ConnectionLost, Nothing),
        },
        ErrorKind::TimedOut => (Transient, Reason::AttemptTimeout, Nothing),
        ErrorKind::NotFound => (Semantic, Reason::NotFound, Refused),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            (Permanent, Reason::PermissionDenied, Refused)
        }
        ErrorKind::AlreadyExists
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::DirectoryNotEmpty
        | ErrorKind::CrossesDevices
        | ErrorKind::NotSeekable => (Semantic, Reason::FailedPrecondition, Refused),
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename | ErrorKind::ArgumentListTooLong => {
            (Semantic, Reason::BadArguments, Refused)
        }
        ErrorKind::InvalidData => (Semantic, Reason::BadResult, Nothing),
        ErrorKind::FileTooLarge => (Semantic, Reason::TooLarge, Nothing),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (Permanent, Reason::QuotaExhausted, Nothing),
        ErrorKind::Unsupported => (Permanent, Reason::Unimplemented, Refused),
        _ => (Transient, Reason::DependencyError, Nothing),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn of_wrapped_errors_the_innermost_decides() {
        #[derive(Debug, thiserror::Error)]
        #[error("reading failed")]
        struct Reading(#[source] io::Error);

        let reset = io::Error::from(ErrorKind::ConnectionReset);
        let wrapped = io::Error::other(Reading(io::Error::new(ErrorKind::InvalidData, Reading(reset))));
        assert_eq!(innermost(&wrapped), Some(ErrorKind::ConnectionReset));
        assert_eq!(innermost(&io::Error::from(ErrorKind::TimedOut)), Some(ErrorKind::TimedOut));
        assert_eq!(innermost(&io::Error::other("words")), Some(ErrorKind::Other));
        assert_eq!(innermost(&std::fmt::Error), None);
    }
}
