//! What a status is made of.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_types::{Class, Effect};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::bounds::{self, cut};

/// The domain of every reason in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "holdfast.dev";

pub(super) const CLASS: &str = "class";
pub(super) const OUTCOME: &str = "outcome";

/// An error on its way to a client.
///
/// Everything in it is meant for the client: no internal text, no secret, no key.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    reason: String,
    message: String,
    class: Class,
    effect: Effect,
    metadata: Vec<(String, String)>,
    retry_after: Option<Duration>,
    fields: Vec<(String, String)>,
}

impl Problem {
    /// Makes the refusal of a request that has had no effect.
    ///
    /// `reason` is one word in SCREAMING_SNAKE that the API's comments name; the class follows from the code.
    #[must_use]
    pub fn refused(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            class: class_of(code),
            effect: Effect::NotExecuted,
            metadata: Vec::new(),
            retry_after: None,
            fields: Vec::new(),
        }
    }

    /// Makes the refusal of wrong input; `field` is its path, for example `steps[3].args.city`.
    #[must_use]
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        let (field, why) = (field.into(), why.into());
        let message = format!("{field}: {why}");
        let mut problem = Self::refused(Code::InvalidArgument, "BAD_ARGUMENTS", message);
        problem.fields.push((field, why));
        problem
    }

    /// Makes the answer to a defect of this server; what happened goes to the log, not to the client.
    #[must_use]
    pub fn internal(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(what, error, "request failed by a defect");
        Self::refused(Code::Internal, "INTERNAL", "the server failed; its log says why")
            .effect(Effect::Unknown)
    }

    /// Names one more field that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, why: impl Into<String>) -> Self {
        self.fields.push((field.into(), why.into()));
        self
    }

    /// Adds one text to the metadata, for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.metadata.push((name.to_owned(), value.into()));
        self
    }

    /// Says who acts, where it isn't what follows from the code.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Says whether the request may have had its effect.
    #[must_use]
    pub const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Says the least time to wait before another try.
    #[must_use]
    pub const fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl From<Problem> for Status {
    /// Makes the status: the only function that does. Too long texts are cut, too many are dropped.
    fn from(problem: Problem) -> Self {
        let mut details = ErrorDetails::new();
        let metadata = fitting(problem.class, problem.effect, problem.metadata);
        details.set_error_info(problem.reason, DOMAIN, metadata);
        if let Some(wait) = problem.retry_after {
            details.set_retry_info(Some(wait));
        }
        if !problem.fields.is_empty() {
            let violation = |(field, why): &(String, String)| {
                FieldViolation::new(cut(field, bounds::VIOLATION), cut(why, bounds::VIOLATION))
            };
            let named: Vec<_> = problem.fields.iter().take(bounds::VIOLATIONS).map(violation).collect();
            details.set_bad_request(named);
        }
        Self::with_error_details(problem.code, cut(&problem.message, bounds::MESSAGE), details)
    }
}

fn fitting(class: Class, effect: Effect, texts: Vec<(String, String)>) -> HashMap<String, String> {
    let mut kept = HashMap::with_capacity(texts.len() + 2);
    kept.insert(CLASS.to_owned(), class.as_str().to_owned());
    kept.insert(OUTCOME.to_owned(), effect.as_str().to_owned());
    let mut room = bounds::METADATA;
    for (name, value) in texts {
        let value = cut(&value, bounds::VALUE);
        if let Some(left) = room.checked_sub(name.len() + value.len()) {
            room = left;
            kept.entry(name).or_insert(value);
        }
    }
    kept
}

/// Says who acts on a refusal with this code.
const fn class_of(code: Code) -> Class {
    match code {
        Code::ResourceExhausted => Class::RateLimited,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange => Class::Semantic,
        Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented => Class::Permanent,
        Code::Cancelled => Class::Cancelled,
        Code::DeadlineExceeded => Class::Deadline,
        Code::Internal | Code::DataLoss => Class::Crashed,
        Code::Ok | Code::Unknown | Code::Unavailable | Code::Aborted => Class::Transient,
    }
}
