//! What the decisions of a call cost: breaker, budget, limits, pace, classifier. They should not be visible beside an RPC.

use std::hint::black_box;
use std::time::{Duration, Instant};

use holdfast_resilience::backoff;
use holdfast_resilience::breaker::{Admission, Breaker, Outcome, Policy};
use holdfast_resilience::budget::Budget;
use holdfast_resilience::bulkhead::{Bulkhead, Limit};
use holdfast_resilience::classify::{self, Context, Sent, grpc, http};
use holdfast_resilience::meter::Rate;
use holdfast_resilience::pace::Pacer;
use holdfast_types::retry::RetryPolicy;
use holdfast_types::{Class, SideEffect, Timestamp};
use serde::Serialize;

/// How often each decision is made.
const TIMES: u32 = 200_000;

/// Nanoseconds of each decision, mean of many.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Decisions {
    /// A breaker lets a call through, and takes its success in.
    pub(crate) breaker_ns: f64,
    /// A limit of calls at once and a second, a pace, and a budget's share.
    pub(crate) limits_ns: f64,
    /// An HTTP answer with three hints is classified.
    pub(crate) http_ns: f64,
    /// A gRPC status with details is classified.
    pub(crate) grpc_ns: f64,
    /// A retry's wait is drawn, and its token taken.
    pub(crate) retry_ns: f64,
}

impl Decisions {
    /// Of a call that succeeds at once.
    pub(crate) const fn of_success(&self) -> f64 {
        self.breaker_ns + self.limits_ns
    }

    /// Of a call that fails, and is tried again.
    pub(crate) const fn of_failure(&self) -> f64 {
        self.of_success() + self.http_ns.max(self.grpc_ns) + self.retry_ns
    }
}

/// Measures them.
pub(crate) fn measure() -> Decisions {
    Decisions {
        breaker_ns: breaker(),
        limits_ns: limits(),
        http_ns: http_answer(),
        grpc_ns: grpc_status(),
        retry_ns: retry(),
    }
}

fn each(mut act: impl FnMut(u32)) -> f64 {
    #[allow(clippy::disallowed_methods)] // a benchmark is about the real clock
    let begin = Instant::now();
    for round in 0..TIMES {
        act(round);
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}

fn at(round: u32) -> Duration {
    Duration::from_micros(100) * round
}

fn breaker() -> f64 {
    let mut breaker = Breaker::new(Policy::default(), 1, 1, Duration::ZERO);
    each(|round| {
        if let (Admission::Admitted(ticket), _) = breaker.admit(at(round)) {
            let took = Duration::from_millis(2);
            black_box(breaker.report(ticket, Outcome::Success { took }, at(round)));
        }
    })
}

fn limits() -> f64 {
    let limit = Limit { concurrency: Some(10), rate: Rate::per_second(100_000.0) };
    let (mut bulkhead, mut pacer, mut budget) = (Bulkhead::default(), Pacer::default(), Budget::default());
    each(|round| {
        black_box((bulkhead.opens(limit, at(round)), pacer.opens_at(at(round))));
        bulkhead.enter(limit, at(round));
        pacer.sent(at(round));
        budget.first_attempt();
        bulkhead.leave();
    })
}

const CALL: Context<'static> = Context { side_effect: SideEffect::Idempotent, sent: Sent::Maybe, rules: &[] };

fn http_answer() -> f64 {
    let headers: classify::Headers<'_> =
        &[("content-type", "application/json"), ("retry-after", "2"), ("x-should-retry", "true")];
    let answer = http::Answer {
        status: 503,
        headers,
        code: Some("overloaded"),
        message: "the service is overloaded",
        now: Timestamp::default(),
    };
    each(|_| {
        black_box(http::classify(&CALL, black_box(&answer)));
    })
}

fn grpc_status() -> f64 {
    let details = grpc::Details {
        retry_delay: Some(Duration::from_secs(1)),
        error_info: Some(grpc::ErrorInfo {
            reason: "BUSY".into(),
            domain: "example.com".into(),
            ..Default::default()
        }),
        ..grpc::Details::default()
    };
    let status = grpc::Status {
        code: 14,
        message: "not now",
        details: &details,
        metadata: &[],
        now: Timestamp::default(),
    };
    each(|_| {
        black_box(grpc::classify(&CALL, black_box(&status)));
    })
}

fn retry() -> f64 {
    let (policy, mut budget) = (RetryPolicy::default(), Budget::default());
    each(|round| {
        let random = u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        black_box(backoff::delay(&policy, Class::Transient, 1 + round % 4, Duration::ZERO, random, None));
        let _ = black_box(budget.retry());
        budget.give_back();
    })
}
