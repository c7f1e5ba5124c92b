//! Failures that arrive as a gRPC status with `google.rpc` details.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::manifest::ErrorRule;
use holdfast_types::{Class, Effect, Failure, Reason, Timestamp};

use super::{Code, Context, Finding, Headers, Proof, Sent, hint};

/// The domain of `ErrorInfo` in every status that Holdfast itself makes.
pub const DOMAIN: &str = "holdfast.dev";

/// The key of `ErrorInfo`'s metadata that holds the class.
pub const CLASS_KEY: &str = "class";

/// The key of `ErrorInfo`'s metadata that holds the effect.
pub const OUTCOME_KEY: &str = "outcome";

/// A status as it came, decoded.
#[derive(Debug, Clone, Copy)]
pub struct Status<'a> {
    /// The code's number.
    pub code: i32,
    /// The message.
    pub message: &'a str,
    /// The details.
    pub details: &'a Details,
    /// Headers and trailers.
    pub metadata: Headers<'a>,
    /// The time, for hints that are dates.
    pub now: Timestamp,
}

/// The `google.rpc` details that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// `ErrorInfo`.
    pub error_info: Option<ErrorInfo>,
    /// `RetryInfo`'s delay; a negative one is zero.
    pub retry_delay: Option<Duration>,
    /// The descriptions of `QuotaFailure`.
    pub quota_violations: Vec<String>,
    /// `BadRequest`: fields, with what is wrong with each.
    pub field_violations: Vec<(String, String)>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorInfo {
    /// The reason.
    pub reason: String,
    /// Who gives it.
    pub domain: String,
    /// More.
    pub metadata: BTreeMap<String, String>,
}

/// Classifies a status. A failure that Holdfast itself put on the wire comes back as it was.
#[must_use]
pub fn classify(context: &Context<'_>, status: &Status<'_>) -> Failure {
    let hint = hint::from_grpc(status.metadata, status.details.retry_delay, status.now);
    if let Some(failure) = own(context, status) {
        return hint.wait.told(failure);
    }
    let code = Code::from_number(status.code);
    let (class, reason, proof) = meaning(context, status, code);
    let mut finding = Finding::new(class, reason, &described(status, code)).proof(proof).hint(hint);
    if let Some(info) = &status.details.error_info {
        finding = finding.code(&info.reason);
    }
    context.conclude(finding.code(code.as_str()))
}

/// The codes by which gRPC servers refuse before they act. A tool whose server keeps to that adopts these rules
/// in its manifest; without them such an answer to a `VERIFIABLE` or `UNSAFE` call stays `UNKNOWN`.
#[must_use]
pub fn refusals() -> Vec<ErrorRule> {
    let rule = |code: Code, class| ErrorRule::by_code(code.as_str(), class, Effect::NotExecuted);
    vec![
        rule(Code::InvalidArgument, Class::Semantic),
        rule(Code::NotFound, Class::Semantic),
        rule(Code::FailedPrecondition, Class::Semantic),
        rule(Code::OutOfRange, Class::Semantic),
        rule(Code::PermissionDenied, Class::Permanent),
        rule(Code::Unauthenticated, Class::Permanent),
        rule(Code::Unimplemented, Class::Permanent),
        rule(Code::ResourceExhausted, Class::RateLimited),
    ]
}

/// The failure inside a status of Holdfast's own; none where its words are not known here.
fn own(context: &Context<'_>, status: &Status<'_>) -> Option<Failure> {
    let info = status.details.error_info.as_ref().filter(|info| info.domain == DOMAIN)?;
    let class: Class = info.metadata.get(CLASS_KEY)?.parse().ok()?;
    let effect: Effect = info.metadata.get(OUTCOME_KEY)?.parse().ok()?;
    let reason: Reason = info.reason.parse().ok()?;
    let effect = if context.sent == Sent::No { Effect::NotExecuted } else { effect };
    Some(Failure::new(class, effect, reason, super::capped(status.message)))
}

fn meaning(context: &Context<'_>, status: &Status<'_>, code: Code) -> (Class, Reason, Proof) {
    use Class::{Permanent, RateLimited, Semantic, Transient};
    use Proof::{Nothing, Refused};
    match code {
        // tonic's own timer says CANCELLED, not DEADLINE_EXCEEDED.
        Code::Cancelled if status.message == "Timeout expired" => {
            (Transient, Reason::AttemptTimeout, Nothing)
        }
        Code::Cancelled => (Transient, Reason::DependencyUnavailable, Nothing),
        Code::DeadlineExceeded => (Transient, Reason::AttemptTimeout, Nothing),
        Code::ResourceExhausted | Code::OutOfRange if is_size_limit(status.message) => {
            (Semantic, Reason::TooLarge, Nothing)
        }
        Code::ResourceExhausted if is_daily(status) => (Permanent, Reason::QuotaExhausted, Refused),
        Code::ResourceExhausted => (RateLimited, Reason::RateLimited, Refused),
        Code::InvalidArgument | Code::OutOfRange => (Semantic, Reason::BadArguments, Refused),
        Code::NotFound => (Semantic, Reason::NotFound, Refused),
        Code::AlreadyExists | Code::FailedPrecondition => (Semantic, Reason::FailedPrecondition, Refused),
        Code::PermissionDenied => (Permanent, Reason::PermissionDenied, Refused),
        Code::Unauthenticated => (Permanent, Reason::Unauthenticated, Refused),
        Code::Unimplemented => (Permanent, Reason::Unimplemented, Refused),
        Code::DataLoss => (Permanent, Reason::DependencyError, Nothing),
        Code::Aborted => (Transient, Reason::FailedPrecondition, Nothing),
        Code::Unavailable if context.sent == Sent::No => (Transient, Reason::ConnectFailed, Nothing),
        Code::Unavailable => (Transient, Reason::DependencyUnavailable, Nothing),
        Code::Ok | Code::Unknown | Code::Internal => (Transient, Reason::DependencyError, Nothing),
    }
}

/// gRPC libraries have no code of their own for a message over the size limit: their texts are all there is.
fn is_size_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("larger than max") || message.contains("message length too large")
}

/// A quota by the day is used up for longer than waiting makes sense.
fn is_daily(status: &Status<'_>) -> bool {
    let texts = status.details.quota_violations.iter().map(String::as_str);
    texts.chain([status.message]).any(|text| {
        let text = text.to_ascii_lowercase();
        ["perday", "per day", "daily quota", "daily limit"].iter().any(|word| text.contains(word))
    })
}

fn described(status: &Status<'_>, code: Code) -> String {
    let message = if status.message.is_empty() { code.as_str() } else { status.message };
    let fields: Vec<String> =
        status.details.field_violations.iter().map(|(field, wrong)| format!("{field}: {wrong}")).collect();
    match fields.is_empty() {
        true => message.to_owned(),
        false => format!("{message} ({})", fields.join("; ")),
    }
}
