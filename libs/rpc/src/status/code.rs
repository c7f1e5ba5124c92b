//! Which gRPC code a failure has (DESIGN section 6).

use holdfast_types::{Class, Failure, Reason};
use tonic::Code;

/// Returns the code of a failure: by its reason where the API names one, else by its class.
pub(super) const fn of(failure: &Failure) -> Code {
    match failure.reason {
        Reason::StaleEpoch => return Code::Aborted,
        Reason::WrongIncarnation | Reason::TooLate | Reason::Fenced => return Code::FailedPrecondition,
        Reason::NoCapacity | Reason::TooLarge => return Code::ResourceExhausted,
        Reason::ToolGone => return Code::NotFound,
        _ => {}
    }
    match failure.class {
        Class::Transient | Class::Unavailable => Code::Unavailable,
        Class::RateLimited => Code::ResourceExhausted,
        Class::Semantic => semantic(failure.reason),
        Class::Permanent => permanent(failure.reason),
        Class::Ambiguous => Code::Unknown,
        Class::Cancelled => Code::Cancelled,
        Class::Deadline => Code::DeadlineExceeded,
        Class::Crashed => Code::Internal,
    }
}

const fn semantic(reason: Reason) -> Code {
    match reason {
        Reason::NotFound => Code::NotFound,
        Reason::FailedPrecondition
        | Reason::KeyMismatch
        | Reason::KeyInDoubt
        | Reason::KeyTombstone
        | Reason::KeyExpired
        | Reason::NotApproved => Code::FailedPrecondition,
        _ => Code::InvalidArgument,
    }
}

const fn permanent(reason: Reason) -> Code {
    match reason {
        Reason::Unauthenticated | Reason::MissingToken | Reason::WrongToken => Code::Unauthenticated,
        Reason::Unimplemented => Code::Unimplemented,
        _ => Code::PermissionDenied,
    }
}
