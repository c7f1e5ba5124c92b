#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use holdfast_types::{Source, Timestamp};
use proptest::prelude::*;

use super::grpc::{Details, ErrorInfo, Status};
use super::http::Answer;
use super::local::End;
use super::process::Exit;
use super::*;

const fn context(side_effect: SideEffect) -> Context<'static> {
    Context { side_effect, sent: Sent::Maybe, rules: &[] }
}

const READ: Context<'static> = context(SideEffect::ReadOnly);
const KEYED: Context<'static> = context(SideEffect::Idempotent);
const UNSAFE: Context<'static> = context(SideEffect::Unsafe);

fn grpc_of(context: &Context<'_>, code: Code, message: &str, details: &Details) -> Failure {
    let status = Status { code: code.number(), message, details, metadata: &[], now: Timestamp::default() };
    grpc::classify(context, &status)
}

fn http_of(context: &Context<'_>, status: u16, headers: Headers<'_>) -> Failure {
    let now = Timestamp::default();
    http::classify(context, &Answer { status, headers, code: None, message: "no", now })
}

fn rule(code: &str, class: Class, effect: Effect) -> ErrorRule {
    ErrorRule::by_code(code, class, effect)
}

#[test]
fn grpc_codes_mean_what_the_table_says() {
    use Class::{Permanent, RateLimited, Semantic, Transient};
    use Effect::{NotExecuted, Unknown};
    for (code, class, reason, keyed) in [
        (Code::Cancelled, Transient, Reason::DependencyUnavailable, Unknown),
        (Code::Unknown, Transient, Reason::DependencyError, Unknown),
        (Code::InvalidArgument, Semantic, Reason::BadArguments, NotExecuted),
        (Code::DeadlineExceeded, Transient, Reason::AttemptTimeout, Unknown),
        (Code::NotFound, Semantic, Reason::NotFound, NotExecuted),
        (Code::AlreadyExists, Semantic, Reason::FailedPrecondition, NotExecuted),
        (Code::PermissionDenied, Permanent, Reason::PermissionDenied, NotExecuted),
        (Code::ResourceExhausted, RateLimited, Reason::RateLimited, NotExecuted),
        (Code::FailedPrecondition, Semantic, Reason::FailedPrecondition, NotExecuted),
        (Code::Aborted, Transient, Reason::FailedPrecondition, Unknown),
        (Code::OutOfRange, Semantic, Reason::BadArguments, NotExecuted),
        (Code::Unimplemented, Permanent, Reason::Unimplemented, NotExecuted),
        (Code::Internal, Transient, Reason::DependencyError, Unknown),
        (Code::Unavailable, Transient, Reason::DependencyUnavailable, Unknown),
        (Code::DataLoss, Permanent, Reason::DependencyError, Unknown),
        (Code::Unauthenticated, Permanent, Reason::Unauthenticated, NotExecuted),
    ] {
        let details = Details::default();
        let keyed_failure = grpc_of(&KEYED, code, "", &details);
        assert_eq!((keyed_failure.class, keyed_failure.reason), (class, reason), "{code}");
        assert_eq!(keyed_failure.effect, keyed, "{code}");
        assert_eq!(grpc_of(&READ, code, "", &details).effect, NotExecuted, "{code}");
        let harmful = grpc_of(&UNSAFE, code, "", &details);
        assert_eq!((harmful.class, harmful.effect), (Class::Ambiguous, Unknown), "{code}");
        assert_eq!(harmful.reason, reason, "{code}");
    }
}

#[test]
fn tonics_own_timer_is_a_timeout_and_no_cancellation() {
    let failure = grpc_of(&READ, Code::Cancelled, "Timeout expired", &Details::default());
    assert_eq!((failure.class, failure.reason), (Class::Transient, Reason::AttemptTimeout));
}

#[test]
fn an_exhausted_resource_is_a_rate_a_day_or_a_size() {
    let of = |message: &str, quota: &[&str]| {
        let quota_violations = quota.iter().map(|text| (*text).to_owned()).collect();
        grpc_of(&READ, Code::ResourceExhausted, message, &Details { quota_violations, ..Details::default() })
    };
    assert_eq!(of("slow down", &["RequestsPerMinute"]).class, Class::RateLimited);
    let daily = of("", &["GenerateRequestsPerDayPerProject"]);
    assert_eq!((daily.class, daily.reason), (Class::Permanent, Reason::QuotaExhausted));
    let size = of("grpc: received message larger than max (5 vs. 4)", &[]);
    assert_eq!((size.class, size.reason), (Class::Semantic, Reason::TooLarge));
}

#[test]
fn details_reach_the_failure() {
    let details = Details {
        retry_delay: Some(Duration::from_secs(3)),
        field_violations: vec![("city".into(), "is empty".into())],
        ..Details::default()
    };
    let failure = grpc_of(&READ, Code::InvalidArgument, "bad request", &details);
    assert_eq!(failure.message, "bad request (city: is empty)");
    assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
    assert_eq!(failure.details["code"], "INVALID_ARGUMENT");
}

#[test]
fn a_failure_of_holdfast_comes_back_as_it_was() {
    let details = |reason: &str| Details {
        error_info: Some(ErrorInfo {
            reason: reason.to_owned(),
            domain: grpc::DOMAIN.to_owned(),
            metadata: BTreeMap::from([
                (grpc::CLASS_KEY.to_owned(), "PERMANENT".to_owned()),
                (grpc::OUTCOME_KEY.to_owned(), "NOT_EXECUTED".to_owned()),
            ]),
        }),
        ..Details::default()
    };
    let failure = grpc_of(&UNSAFE, Code::PermissionDenied, "no", &details("NOT_GRANTED"));
    let wanted = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::NotGranted, "no");
    assert_eq!(failure, wanted);
    // A newer peer's reason is not known here: the code decides.
    let newer = grpc_of(&UNSAFE, Code::PermissionDenied, "no", &details("NEWER"));
    assert_eq!((newer.class, newer.effect), (Class::Ambiguous, Effect::Unknown));
}

#[test]
fn an_unavailable_proxy_still_gives_its_hint() {
    let details = Details::default();
    let status = Status {
        code: Code::Unavailable.number(),
        message: "",
        details: &details,
        metadata: &[("retry-after", "7")],
        now: Timestamp::default(),
    };
    assert_eq!(grpc::classify(&READ, &status).retry_after, Some(Duration::from_secs(7)));
    let stopped = Status { metadata: &[("grpc-retry-pushback-ms", "-1")], ..status };
    assert_eq!(grpc::classify(&READ, &stopped).class, Class::Permanent);
}

#[test]
fn http_statuses_mean_what_the_table_says() {
    use Class::{Permanent, RateLimited, Semantic, Transient};
    for (status, class, reason) in [
        (400, Semantic, Reason::BadArguments),
        (401, Permanent, Reason::Unauthenticated),
        (402, Permanent, Reason::QuotaExhausted),
        (403, Permanent, Reason::PermissionDenied),
        (404, Semantic, Reason::NotFound),
        (405, Permanent, Reason::Unimplemented),
        (408, Transient, Reason::AttemptTimeout),
        (409, Transient, Reason::FailedPrecondition),
        (410, Semantic, Reason::NotFound),
        (412, Semantic, Reason::FailedPrecondition),
        (413, Semantic, Reason::TooLarge),
        (418, Semantic, Reason::BadArguments),
        (422, Semantic, Reason::BadArguments),
        (425, Transient, Reason::FailedPrecondition),
        (429, RateLimited, Reason::RateLimited),
        (500, Transient, Reason::DependencyError),
        (501, Permanent, Reason::Unimplemented),
        (502, Transient, Reason::DependencyUnavailable),
        (503, Transient, Reason::DependencyUnavailable),
        (504, Transient, Reason::AttemptTimeout),
        (529, Transient, Reason::DependencyUnavailable),
        (599, Transient, Reason::DependencyError),
        (302, Semantic, Reason::FailedPrecondition),
        (200, Semantic, Reason::BadResult),
    ] {
        let failure = http_of(&KEYED, status, &[]);
        assert_eq!((failure.class, failure.reason), (class, reason), "{status}");
        assert_eq!(http_of(&UNSAFE, status, &[]).class, Class::Ambiguous, "{status}");
    }
}

#[test]
fn the_services_word_on_retries_wins_over_its_status() {
    let stop: Headers<'_> = &[("X-Should-Retry", "false")];
    let again: Headers<'_> = &[("x-should-retry", "true")];
    assert_eq!(http_of(&READ, 503, stop).class, Class::Permanent);
    assert_eq!(http_of(&READ, 400, again).class, Class::Transient);
    // It says nothing about the effect.
    assert_eq!(http_of(&UNSAFE, 503, again).class, Class::Ambiguous);
}

#[test]
fn a_tools_rules_refine_effect_and_class() {
    let declined = [rule("card_declined", Class::Semantic, Effect::NotExecuted)];
    let context = Context { rules: &declined, ..UNSAFE };
    let answer = Answer {
        status: 402,
        headers: &[],
        code: Some("CARD_DECLINED"),
        message: "declined",
        now: Timestamp::default(),
    };
    let failure = http::classify(&context, &answer);
    assert_eq!((failure.class, failure.effect), (Class::Semantic, Effect::NotExecuted));
    assert_eq!(tool_error(&context, Some("card_declined"), "").effect, Effect::NotExecuted);
    assert_eq!(tool_error(&context, None, "").class, Class::Ambiguous);

    let executed = [rule("409", Class::Permanent, Effect::Executed)];
    let failure = http_of(&Context { rules: &executed, ..UNSAFE }, 409, &[]);
    assert_eq!((failure.class, failure.effect), (Class::Permanent, Effect::Executed));
}

#[test]
fn adopted_refusals_prove_that_nothing_happened() {
    let rules = http::refusals();
    let context = Context { rules: &rules, ..UNSAFE };
    assert_eq!(http_of(&context, 422, &[]).class, Class::Semantic);
    assert_eq!(http_of(&context, 429, &[]).class, Class::RateLimited);
    assert_eq!(http_of(&context, 500, &[]).class, Class::Ambiguous);
    let rules = grpc::refusals();
    let context = Context { rules: &rules, ..UNSAFE };
    let failure = grpc_of(&context, Code::NotFound, "", &Details::default());
    assert_eq!((failure.class, failure.effect), (Class::Semantic, Effect::NotExecuted));
}

#[test]
fn programs_end_by_code_by_signal_or_never_began() {
    let of = |context: &Context<'_>, exit| {
        let failure = process::classify(context, exit, "sha256sum");
        (failure.class, failure.reason, failure.effect)
    };
    let code = Exit::Code(1);
    assert_eq!(of(&READ, code), (Class::Semantic, Reason::ExitCode, Effect::NotExecuted));
    assert_eq!(of(&KEYED, code), (Class::Semantic, Reason::ExitCode, Effect::Unknown));
    assert_eq!(of(&UNSAFE, code), (Class::Ambiguous, Reason::ExitCode, Effect::Unknown));
    assert_eq!(of(&READ, Exit::Signal(9)).0, Class::Crashed);
    assert_eq!(of(&READ, Exit::TimedOut).1, Reason::AttemptTimeout);
    let missing = Exit::NotStarted(ErrorKind::NotFound);
    assert_eq!(of(&UNSAFE, missing), (Class::Semantic, Reason::NotFound, Effect::NotExecuted));
    let three = [rule("3", Class::Transient, Effect::NotExecuted)];
    let context = Context { rules: &three, ..UNSAFE };
    assert_eq!(of(&context, Exit::Code(3)).0, Class::Transient);
    assert_eq!(of(&context, Exit::Code(4)).0, Class::Ambiguous);
}

#[test]
fn a_connection_that_was_never_made_proves_it() {
    let of = |sent, kind| io::classify(&Context { sent, ..UNSAFE }, kind, "");
    let refused = of(Sent::Maybe, ErrorKind::ConnectionRefused);
    assert_eq!((refused.class, refused.effect), (Class::Transient, Effect::NotExecuted));
    let lost = of(Sent::Maybe, ErrorKind::ConnectionReset);
    assert_eq!((lost.class, lost.reason), (Class::Ambiguous, Reason::ConnectionLost));
    let early = of(Sent::No, ErrorKind::ConnectionReset);
    assert_eq!((early.class, early.reason), (Class::Transient, Reason::ConnectFailed));
}

#[test]
fn what_this_side_never_tried_did_not_happen() {
    for (end, class, reason) in [
        (End::CircuitOpen, Class::Unavailable, Reason::CircuitOpen),
        (End::NoCapacity, Class::Unavailable, Reason::NoCapacity),
        (End::Fenced, Class::Transient, Reason::Fenced),
        (End::TooLate, Class::Transient, Reason::TooLate),
    ] {
        let failure = local::classify(&UNSAFE, end, "");
        assert_eq!((failure.class, failure.reason), (class, reason));
        assert_eq!(failure.effect, Effect::NotExecuted);
    }
    assert_eq!(local::classify(&UNSAFE, End::WorkerDied, "").class, Class::Ambiguous);
    assert_eq!(local::classify(&KEYED, End::WorkerDied, "").class, Class::Crashed);
    assert_eq!(local::classify(&KEYED, End::StepTimeout, "").class, Class::Deadline);
    assert_eq!(local::classify(&UNSAFE, End::CancelledByCaller, "").class, Class::Ambiguous);
    assert_eq!(local::classify(&KEYED, End::CancelledByCaller, "").class, Class::Cancelled);
}

#[test]
fn a_huge_message_keeps_its_beginning_and_its_end() {
    let text = format!("begin{}end", "ü".repeat(2_000_000));
    let message = tool_error(&READ, None, &text).message;
    assert!(message.chars().count() <= MESSAGE_LIMIT);
    assert!(message.starts_with("begin") && message.ends_with("end"));
}

#[test]
fn a_later_refusal_opens_no_way_around_an_unknown_outcome() {
    let joined = Effect::Unknown.join(Effect::NotExecuted);
    assert_eq!(may_retry(SideEffect::Unsafe, joined, Class::Unavailable), Verdict::Settle);
    assert!(!may_replace(SideEffect::Unsafe, joined));
    assert!(!may_replace(SideEffect::Idempotent, joined));
    assert!(may_replace(SideEffect::ReadOnly, joined));
    assert_eq!(may_retry(SideEffect::Idempotent, joined, Class::Transient), Verdict::Retry);
    assert_eq!(may_retry(SideEffect::Unsafe, Effect::NotExecuted, Class::Transient), Verdict::Retry);
    assert_eq!(may_retry(SideEffect::Unsafe, Effect::Executed, Class::Transient), Verdict::Stop);
    assert_eq!(may_retry(SideEffect::ReadOnly, Effect::NotExecuted, Class::Permanent), Verdict::Stop);
    assert_eq!(may_retry(SideEffect::ReadOnly, Effect::NotExecuted, Class::Deadline), Verdict::Unwind);
}

fn reply<'a>(status: u16, headers: Headers<'a>, body: &'a str) -> provider::Reply<'a> {
    provider::Reply { status, headers, body, now: Timestamp::default() }
}

#[test]
fn an_error_in_a_stream_that_began_with_200_is_judged_by_its_type() {
    let event = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let failure = provider::classify(&READ, &reply(200, &[], event));
    assert_eq!((failure.class, failure.reason), (Class::Transient, Reason::DependencyUnavailable));
    assert_eq!((failure.source, failure.message.as_str()), (Source::Model, "Overloaded"));
    assert_eq!(failure.details["code"], "overloaded_error");
    let numbered = r#"{"error":{"code":429,"message":"slow down"}}"#;
    assert_eq!(provider::classify(&READ, &reply(200, &[], numbered)).class, Class::RateLimited);
    let last = r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}"#;
    assert_eq!(provider::classify(&READ, &reply(200, &[], last)).reason, Reason::DependencyError);
}

#[test]
fn a_providers_hint_is_kept_and_a_vague_word_leaves_the_status() {
    let limited = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#;
    let failure = provider::classify(&READ, &reply(429, &[("retry-after", "12")], limited));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(12)));
    let vague = r#"{"error":{"type":"invalid_request_error","code":null,"message":"no key"}}"#;
    assert_eq!(provider::classify(&READ, &reply(401, &[], vague)).reason, Reason::Unauthenticated);
}

#[test]
fn a_tools_401_and_the_models_are_told_apart_by_their_source() {
    assert_eq!(http_of(&READ, 401, &[]).source, Source::Tool);
    assert_eq!(provider::classify(&READ, &reply(401, &[], "no")).source, Source::Model);
}

#[test]
fn rules_know_an_error_by_its_message() {
    let busy = ErrorRule::by_message(
        "*too many connections*".parse().expect("a pattern"),
        Class::Transient,
        Effect::NotExecuted,
    );
    let context = Context { rules: &[busy], ..UNSAFE };
    let known = mcp::classify(&context, mcp::Reply::IsError { text: "FATAL: Too many connections" });
    assert_eq!((known.class, known.effect), (Class::Transient, Effect::NotExecuted));
    let other = mcp::classify(&context, mcp::Reply::IsError { text: "FATAL: no such table" });
    assert_eq!(other.class, Class::Ambiguous);
    assert_eq!(
        grpc_of(&context, Code::Internal, "too many connections", &Details::default()),
        Failure {
            details: BTreeMap::from([("code".to_owned(), "INTERNAL".to_owned())]),
            ..Failure::new(
                Class::Transient,
                Effect::NotExecuted,
                Reason::DependencyError,
                "too many connections"
            )
        }
    );
}

#[test]
fn a_quota_by_the_day_is_known_by_its_message_too() {
    let failure = grpc_of(&READ, Code::ResourceExhausted, "1000 requests per day", &Details::default());
    assert_eq!((failure.class, failure.reason), (Class::Permanent, Reason::QuotaExhausted));
}

#[test]
fn a_stop_is_not_tried_again_and_an_invitation_is() {
    let verdict = |failure: &Failure| may_retry(SideEffect::ReadOnly, failure.effect, failure.class);
    assert_eq!(verdict(&http_of(&READ, 503, &[("x-should-retry", "false")])), Verdict::Stop);
    assert_eq!(verdict(&http_of(&READ, 400, &[("x-should-retry", "true")])), Verdict::Retry);
    for status in [401, 402, 403] {
        assert_eq!(verdict(&http_of(&READ, status, &[])), Verdict::Stop);
    }
}

fn side_effects() -> impl Strategy<Value = SideEffect> {
    proptest::sample::select(SideEffect::ALL)
}

proptest! {
    /// The rule of PROTOCOL 2, over every origin: without proof a harmful call is never tried again.
    #[test]
    fn no_harmful_call_is_retried_without_proof(
        side_effect in side_effects(),
        code in -5i32..20,
        status in 0u16..1000,
        exit in any::<i32>(),
        should_retry in proptest::sample::select(&["true", "false", ""][..]),
        body in "\\PC{0,40}",
        rpc in any::<i64>(),
    ) {
        let context = context(side_effect);
        let headers: Headers<'_> = &[("x-should-retry", should_retry), ("retry-after", "1")];
        let details = Details::default();
        let status_of = Status {
            code, message: "x", details: &details, metadata: headers, now: Timestamp::default(),
        };
        for failure in [
            grpc::classify(&context, &status_of),
            http_of(&context, status, headers),
            provider::classify(&context, &reply(status, headers, &body)),
            mcp::classify(&context, mcp::Reply::Error { code: rpc, message: "" }),
            process::classify(&context, Exit::Code(exit), ""),
            process::classify(&context, Exit::Signal(exit), ""),
            local::classify(&context, End::HeartbeatLost, ""),
        ] {
            let verdict = may_retry(side_effect, failure.effect, failure.class);
            if side_effect.is_repeatable() {
                prop_assert_ne!(failure.class, Class::Ambiguous);
                prop_assert_ne!(verdict, Verdict::Settle);
            } else {
                prop_assert_eq!(failure.class, Class::Ambiguous);
                prop_assert_eq!(verdict, Verdict::Settle);
            }
        }
    }

    /// What was provably not sent may be tried again wherever the class says that the program acts.
    #[test]
    fn nothing_sent_is_nothing_done(side_effect in side_effects(), code in 0i32..17, status in 100u16..600) {
        let context = Context { sent: Sent::No, ..context(side_effect) };
        let grpc = grpc_of(&context, Code::from_number(code), "", &Details::default());
        for failure in [grpc, http_of(&context, status, &[])] {
            prop_assert_eq!(failure.effect, Effect::NotExecuted);
            prop_assert_ne!(failure.class, Class::Ambiguous);
        }
    }

    #[test]
    fn joined_effects_only_ever_close_ways(
        side_effect in side_effects(),
        a in proptest::sample::select(Effect::ALL),
        b in proptest::sample::select(Effect::ALL),
        class in proptest::sample::select(Class::ALL),
    ) {
        let joined = a.join(b);
        if may_replace(side_effect, joined) {
            prop_assert!(may_replace(side_effect, a) && may_replace(side_effect, b));
        }
        if may_retry(side_effect, joined, class) == Verdict::Retry && !side_effect.is_repeatable() {
            prop_assert_eq!((a, b), (Effect::NotExecuted, Effect::NotExecuted));
        }
    }
}
