//! A failure as a status, and back.

use std::time::Duration;

use holdfast_resilience::classify::Sent;
use holdfast_types::{Class, Effect, Failure, Reason, Source};
use tonic::Status;
use tonic_types::StatusExt;

use super::code;
use super::foreign;
use super::problem::{CLASS, DOMAIN, OUTCOME, Problem};

const SOURCE: &str = "source";
const ATTEMPTS: &str = "attempts";
const ELAPSED: &str = "elapsed_ms";
/// Before the names of a failure's own details.
const DETAIL: &str = "detail_";

/// Makes the status of a failure. [`to_failure`] gives the same failure back, but for texts that were too long.
#[must_use]
pub fn of_failure(failure: &Failure) -> Status {
    let mut problem = Problem::refused(code::of(failure), failure.reason.as_str(), failure.message.clone())
        .class(failure.class)
        .effect(failure.effect)
        .retry_after(failure.retry_after)
        .with(SOURCE, failure.source.as_str());
    if failure.attempts > 0 {
        problem = problem.with(ATTEMPTS, failure.attempts.to_string());
    }
    if failure.elapsed > Duration::ZERO {
        problem = problem.with(ELAPSED, failure.elapsed.as_millis().to_string());
    }
    for (name, value) in &failure.details {
        problem = problem.with(&format!("{DETAIL}{name}"), value.clone());
    }
    problem.into()
}

/// Reads a failure from a status.
///
/// One that Holdfast made says itself what happened. Any other is classified by its code and by what the transport
/// knows; `sent` says whether the request may have been received, as far as the caller knows.
#[must_use]
pub fn to_failure(status: &Status, sent: Sent) -> Failure {
    own(status).unwrap_or_else(|| foreign::to_failure(status, sent))
}

fn own(status: &Status) -> Option<Failure> {
    let details = status.check_error_details().ok()?;
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    let text = |name: &str| info.metadata.get(name).map(String::as_str);
    let class: Class = text(CLASS)?.parse().ok()?;
    let effect: Effect = text(OUTCOME)?.parse().ok()?;
    // Reasons that only the API has (`KEY_UNKNOWN`) stay readable as a detail.
    let (reason, api_reason) = match info.reason.parse::<Reason>() {
        Ok(reason) => (reason, None),
        Err(_) => (foreign::reason(status), Some(&info.reason)),
    };
    let mut failure = Failure::new(class, effect, reason, status.message());
    failure.source = text(SOURCE).and_then(|name| name.parse().ok()).unwrap_or(Source::Platform);
    failure.attempts = text(ATTEMPTS).and_then(|number| number.parse().ok()).unwrap_or(0);
    failure.elapsed =
        Duration::from_millis(text(ELAPSED).and_then(|number| number.parse().ok()).unwrap_or(0));
    failure.retry_after = details.retry_info().and_then(|info| info.retry_delay);
    for (name, value) in &info.metadata {
        if let Some(name) = name.strip_prefix(DETAIL) {
            failure.details.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(reason) = api_reason {
        failure.details.insert("reason".to_owned(), reason.clone());
    }
    Some(failure)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    fn pick<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
        proptest::sample::select(all)
    }

    prop_compose! {
        fn failures(text: &'static str)(
            class in pick(Class::ALL),
            effect in pick(Effect::ALL),
            reason in pick(Reason::ALL),
            source in pick(Source::ALL),
            message in text,
            retry in proptest::option::of(0u64..10_000_000),
            attempts in 0u32..50,
            elapsed in 0u64..100_000_000,
            details in proptest::collection::btree_map("[a-z_]{1,12}", text, 0..4),
        ) -> Failure {
            Failure {
                class, effect, reason, message, attempts, source, details,
                retry_after: retry.map(Duration::from_millis),
                retry_hint: holdfast_types::RetryHint::AtLeast,
                elapsed: Duration::from_millis(elapsed),
            }
        }
    }

    /// Through real headers, as a client reads it.
    fn over_the_wire(status: &Status) -> Status {
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let size: usize = headers.values().map(|value| value.len()).sum();
        assert!(size <= 16 * 1024, "{size} bytes of headers");
        Status::from_header_map(&headers).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_failure_round_trips(failure in failures("\\PC{0,60}")) {
            let status = over_the_wire(&of_failure(&failure));
            prop_assert_ne!(status.code(), Code::Ok);
            prop_assert_eq!(to_failure(&status, Sent::Maybe), failure);
        }

        #[test]
        fn what_is_too_long_is_cut_and_the_verdict_stays(failure in failures("\\PC{0,3000}")) {
            let status = of_failure(&failure);
            prop_assert!(status.details().len() <= 8 * 1024, "{}", status.details().len());
            let read = to_failure(&over_the_wire(&status), Sent::Maybe);
            prop_assert_eq!((read.class, read.effect, read.reason), (failure.class, failure.effect, failure.reason));
        }
    }

    #[test]
    fn codes_are_the_designs() {
        let code = |class, reason| of_failure(&Failure::new(class, Effect::Unknown, reason, "")).code();
        assert_eq!(code(Class::Transient, Reason::ConnectionLost), Code::Unavailable);
        assert_eq!(code(Class::Transient, Reason::Draining), Code::Unavailable);
        assert_eq!(code(Class::RateLimited, Reason::RateLimited), Code::ResourceExhausted);
        assert_eq!(code(Class::Semantic, Reason::BadArguments), Code::InvalidArgument);
        assert_eq!(code(Class::Semantic, Reason::NotFound), Code::NotFound);
        assert_eq!(code(Class::Permanent, Reason::Unauthenticated), Code::Unauthenticated);
        assert_eq!(code(Class::Permanent, Reason::NotGranted), Code::PermissionDenied);
        assert_eq!(code(Class::Ambiguous, Reason::ConnectionLost), Code::Unknown);
        assert_eq!(code(Class::Cancelled, Reason::CancelledByCaller), Code::Cancelled);
        assert_eq!(code(Class::Deadline, Reason::TaskDeadline), Code::DeadlineExceeded);
        assert_eq!(code(Class::Crashed, Reason::ToolPanicked), Code::Internal);
        assert_eq!(code(Class::Transient, Reason::StaleEpoch), Code::Aborted);
    }
}
