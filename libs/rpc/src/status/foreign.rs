//! Statuses that nobody at Holdfast made: by a proxy, by the transport, by another server.

use holdfast_resilience::classify::grpc::{self, Details, ErrorInfo};
use holdfast_resilience::classify::{Context, Sent};
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect, Source, Timestamp};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::client;

/// Whether at all, and when exactly, as gRPC's own retries obey it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The hints that gRPC's own retries obey, and those that a proxy on the way may have set. What tells an hour of the day
/// is left alone: no clock is known here.
const HINTS: [&str; 5] = [PUSHBACK, "retry-after-ms", "x-amz-retry-after", "retry-after", "x-should-retry"];

/// Classifies a foreign status. Only what provably was not sent, or not understood, did not execute.
pub(super) fn to_failure(status: &Status, sent: Sent) -> Failure {
    if let Some(error) = client::Error::behind(status) {
        return transport(error);
    }
    // What the call's repeat would be is not known here: the class is what the failure is by itself, and the effect
    // is left open wherever a call that must not be repeated may have begun.
    let context = Context { side_effect: SideEffect::Idempotent, sent, rules: &[] };
    let failure = classify(&context, status);
    let effect = match (sent, status.code()) {
        (Sent::No, _) | (_, Code::Unimplemented) => Effect::NotExecuted,
        _ => Effect::Unknown,
    };
    Failure { effect, ..failure }.from_source(Source::Platform)
}

/// Returns the reason that stands nearest to a status.
pub(super) fn reason(status: &Status) -> Reason {
    classify(&Context { side_effect: SideEffect::Idempotent, sent: Sent::Maybe, rules: &[] }, status).reason
}

fn classify(context: &Context<'_>, status: &Status) -> Failure {
    let details = details(&status.get_error_details());
    let given = |name: &'static str| Some((name, status.metadata().get(name)?.to_str().ok()?));
    let is_span =
        |(name, value): &(&str, &str)| *name != "retry-after" || value.trim().parse::<f64>().is_ok();
    let metadata: Vec<_> = HINTS.into_iter().filter_map(given).filter(is_span).collect();
    let status = grpc::Status {
        code: status.code().into(),
        message: status.message(),
        details: &details,
        metadata: &metadata,
        now: Timestamp::default(),
    };
    grpc::classify(context, &status)
}

fn details(details: &ErrorDetails) -> Details {
    let info = details.error_info().filter(|info| info.domain != super::DOMAIN);
    let quota = details.quota_failure().map(|quota| quota.violations.as_slice()).unwrap_or_default();
    let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    Details {
        error_info: info.map(|info| ErrorInfo {
            reason: info.reason.clone(),
            domain: info.domain.clone(),
            metadata: info.metadata.clone().into_iter().collect(),
        }),
        retry_delay: details.retry_info().and_then(|info| info.retry_delay),
        quota_violations: quota.iter().map(|violation| violation.description.clone()).collect(),
        field_violations: fields
            .iter()
            .map(|field| (field.field.clone(), field.description.clone()))
            .collect(),
    }
}

fn transport(error: &client::Error) -> Failure {
    let (effect, reason) = match error.sent() {
        Sent::No => (Effect::NotExecuted, Reason::ConnectFailed),
        Sent::Maybe => (Effect::Unknown, Reason::ConnectionLost),
    };
    Failure::new(Class::Transient, effect, reason, error.to_string()).from_source(Source::Platform)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // foreign statuses are what is tested
mod tests {
    use holdfast_types::RetryHint;

    use super::*;

    #[test]
    fn only_what_was_not_sent_or_not_understood_did_not_execute() {
        let effect = |code, sent| to_failure(&Status::new(code, ""), sent).effect;
        assert_eq!(effect(Code::Unavailable, Sent::Maybe), Effect::Unknown);
        assert_eq!(effect(Code::ResourceExhausted, Sent::Maybe), Effect::Unknown);
        assert_eq!(effect(Code::Unavailable, Sent::No), Effect::NotExecuted);
        assert_eq!(effect(Code::Unimplemented, Sent::Maybe), Effect::NotExecuted);
        assert_eq!(effect(Code::NotFound, Sent::Maybe), Effect::Unknown);
    }

    #[test]
    fn tonics_timeout_is_a_timeout_and_no_cancellation() {
        let failure = to_failure(&Status::cancelled("Timeout expired"), Sent::Maybe);
        assert_eq!((failure.class, failure.reason), (Class::Transient, Reason::AttemptTimeout));
    }

    #[test]
    fn a_pushback_is_exact_and_a_proxys_hint_a_minimum() {
        let told = |name: &'static str, value: &'static str| {
            let mut status = Status::unavailable("later");
            status.metadata_mut().insert(name, tonic::metadata::MetadataValue::from_static(value));
            let failure = to_failure(&status, Sent::Maybe);
            (failure.retry_after.map(|wait| wait.as_millis()), failure.retry_hint, failure.class)
        };
        assert_eq!(told(PUSHBACK, "250"), (Some(250), RetryHint::Exactly, Class::Transient));
        assert_eq!(told(PUSHBACK, "-1"), (None, RetryHint::AtLeast, Class::Permanent));
        assert_eq!(told("retry-after", "90"), (Some(90_000), RetryHint::AtLeast, Class::Transient));
        assert_eq!(told("retry-after-ms", "120"), (Some(120), RetryHint::AtLeast, Class::Transient));
        assert_eq!(told("x-should-retry", "false"), (None, RetryHint::AtLeast, Class::Permanent));
        // An hour of the day says nothing where no clock is known.
        let date = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(told("retry-after", date), (None, RetryHint::AtLeast, Class::Transient));
    }
}
