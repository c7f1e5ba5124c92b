//! Failures of the operating system's I/O.

use std::io::ErrorKind;

use holdfast_types::{Class, Failure, Reason};

use super::{Context, Finding, Proof, Sent};

/// Classifies an I/O error. Of wrapped errors give the innermost: it decides.
#[must_use]
pub fn classify(context: &Context<'_>, kind: ErrorKind, message: &str) -> Failure {
    let (class, reason, proof) = meaning(context, kind);
    context.conclude(Finding::new(class, reason, message).proof(proof))
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
