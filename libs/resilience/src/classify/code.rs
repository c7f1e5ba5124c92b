//! gRPC's status codes as plain data, and the one mapping from a failure to a code (DESIGN section 6).

use holdfast_types::{Class, Reason};

macro_rules! codes {
    ($($name:ident = $number:literal $text:literal,)+) => {
        /// A status code of gRPC.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // gRPC's own names
        pub enum Code { $($name = $number,)+ }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// Returns gRPC's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }
        }
    };
}

codes! {
    Ok = 0 "OK",
    Cancelled = 1 "CANCELLED",
    Unknown = 2 "UNKNOWN",
    InvalidArgument = 3 "INVALID_ARGUMENT",
    DeadlineExceeded = 4 "DEADLINE_EXCEEDED",
    NotFound = 5 "NOT_FOUND",
    AlreadyExists = 6 "ALREADY_EXISTS",
    PermissionDenied = 7 "PERMISSION_DENIED",
    ResourceExhausted = 8 "RESOURCE_EXHAUSTED",
    FailedPrecondition = 9 "FAILED_PRECONDITION",
    Aborted = 10 "ABORTED",
    OutOfRange = 11 "OUT_OF_RANGE",
    Unimplemented = 12 "UNIMPLEMENTED",
    Internal = 13 "INTERNAL",
    Unavailable = 14 "UNAVAILABLE",
    DataLoss = 15 "DATA_LOSS",
    Unauthenticated = 16 "UNAUTHENTICATED",
}

impl Code {
    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Finds a code by its number; what gRPC does not know is `UNKNOWN`.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        Self::ALL.iter().copied().find(|code| code.number() == number).unwrap_or(Self::Unknown)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Returns the code under which a failure goes over the wire.
#[must_use]
pub const fn code(class: Class, reason: Reason) -> Code {
    match (class, reason) {
        (_, Reason::StaleEpoch) => Code::Aborted,
        (Class::Transient | Class::Unavailable, _) => Code::Unavailable,
        (Class::RateLimited, _) => Code::ResourceExhausted,
        (Class::Semantic, Reason::NotFound) => Code::NotFound,
        (
            Class::Semantic,
            Reason::FailedPrecondition
            | Reason::KeyMismatch
            | Reason::KeyInDoubt
            | Reason::KeyTombstone
            | Reason::KeyExpired
            | Reason::WrongIncarnation
            | Reason::TooLate
            | Reason::NotApproved,
        ) => Code::FailedPrecondition,
        (Class::Semantic, _) => Code::InvalidArgument,
        (Class::Permanent, Reason::Unauthenticated | Reason::MissingToken | Reason::WrongToken) => {
            Code::Unauthenticated
        }
        (Class::Permanent, Reason::Unimplemented | Reason::ToolGone) => Code::Unimplemented,
        (Class::Permanent, _) => Code::PermissionDenied,
        (Class::Ambiguous, _) => Code::Unknown,
        (Class::Cancelled, _) => Code::Cancelled,
        (Class::Deadline, _) => Code::DeadlineExceeded,
        (Class::Crashed, _) => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_grpcs_numbers() {
        for (number, code) in (0..).zip(Code::ALL) {
            assert_eq!(code.number(), number);
            assert_eq!(Code::from_number(number), *code);
        }
        assert_eq!(Code::from_number(99), Code::Unknown);
        assert_eq!(Code::from_number(-1), Code::Unknown);
    }

    #[test]
    fn no_failure_is_ok() {
        for class in Class::ALL {
            for reason in Reason::ALL {
                assert_ne!(code(*class, *reason), Code::Ok);
            }
        }
    }
}
