//! Failures that arrive as an HTTP status with headers.

use holdfast_types::manifest::ErrorRule;
use holdfast_types::{Class, Effect, Failure, Reason, Timestamp};

use super::{Context, Finding, Headers, Proof, hint};

/// An answer that the tool takes for a failure.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers<'a>,
    /// The service's own code for the error, where its body has one; rules for it win over those for the status.
    pub code: Option<&'a str>,
    /// What to tell: the service's own words, or the status line. Without secrets.
    pub message: &'a str,
    /// The time, for hints that are dates.
    pub now: Timestamp,
}

/// Classifies an HTTP answer.
#[must_use]
pub fn classify(context: &Context<'_>, answer: &Answer<'_>) -> Failure {
    let (class, reason, proof) = meaning(answer.status);
    let mut finding = Finding::new(class, reason, answer.message)
        .proof(proof)
        .hint(hint::from_http(answer.headers, answer.now));
    if let Some(code) = answer.code {
        finding = finding.code(code);
    }
    context.conclude(finding.code(answer.status.to_string()))
}

/// The statuses by which HTTP servers refuse before they act. A tool whose server keeps to that adopts these rules
/// in its manifest; without them such an answer to a `VERIFIABLE` or `UNSAFE` call stays `UNKNOWN`.
#[must_use]
pub fn refusals() -> Vec<ErrorRule> {
    [
        400, 401, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 417, 421, 422, 425, 426, 428, 429, 431,
        451, 501, 505,
    ]
    .into_iter()
    .map(|status| ErrorRule::by_code(status.to_string(), meaning(status).0, Effect::NotExecuted))
    .collect()
}

pub(super) const fn meaning(status: u16) -> (Class, Reason, Proof) {
    use Class::{Permanent, RateLimited, Semantic, Transient};
    use Proof::{Nothing, Refused};
    match status {
        401 | 407 | 511 => (Permanent, Reason::Unauthenticated, Refused),
        402 => (Permanent, Reason::QuotaExhausted, Refused),
        403 | 451 => (Permanent, Reason::PermissionDenied, Refused),
        404 | 410 => (Semantic, Reason::NotFound, Refused),
        405 | 501 | 505 => (Permanent, Reason::Unimplemented, Refused),
        408 | 504 => (Transient, Reason::AttemptTimeout, Nothing),
        // Also "this key is in use": a reason to wait, not an error (PROTOCOL 1). The one that uses it may be this
        // very call on its way, so it proves nothing.
        409 => (Transient, Reason::FailedPrecondition, Nothing),
        423 | 425 => (Transient, Reason::FailedPrecondition, Refused),
        412 | 424 | 428 => (Semantic, Reason::FailedPrecondition, Refused),
        413 | 414 | 431 => (Semantic, Reason::TooLarge, Refused),
        421 => (Transient, Reason::DependencyUnavailable, Refused),
        429 => (RateLimited, Reason::RateLimited, Refused),
        400..=499 => (Semantic, Reason::BadArguments, Refused),
        502 | 503 | 529 => (Transient, Reason::DependencyUnavailable, Nothing),
        507 => (Permanent, Reason::QuotaExhausted, Nothing),
        500..=599 => (Transient, Reason::DependencyError, Nothing),
        300..=399 => (Semantic, Reason::FailedPrecondition, Nothing),
        // A success that the tool can't use, or no status at all.
        200..=299 => (Semantic, Reason::BadResult, Nothing),
        _ => (Transient, Reason::DependencyError, Nothing),
    }
}
