#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use holdfast_types::{Class, Effect, Failure, Reason};
use proptest::prelude::*;

use super::*;
use crate::window::Span;

const SECOND: Duration = Duration::from_secs(1);
const GOOD: Outcome = Outcome::Success { took: SECOND };
const BAD: Outcome = Outcome::Failure { took: SECOND, retry_after: None };

fn breaker() -> Breaker {
    Breaker::new(Policy::default(), 7, 42, Duration::ZERO)
}

fn ticket(breaker: &mut Breaker, now: Duration) -> Ticket {
    match breaker.admit(now).0 {
        Admission::Admitted(ticket) => ticket,
        refused => panic!("{refused:?}"),
    }
}

fn refused(breaker: &mut Breaker, now: Duration) -> Option<Duration> {
    match breaker.admit(now).0 {
        Admission::Refused { retry_after } => retry_after,
        admitted => panic!("{admitted:?}"),
    }
}

fn call(breaker: &mut Breaker, outcome: Outcome, now: Duration) -> Option<Transition> {
    let ticket = ticket(breaker, now);
    breaker.report(ticket, outcome, now)
}

/// Opens it by failures in a row, and returns when it becomes half-open.
fn opened(breaker: &mut Breaker, now: Duration) -> Duration {
    while call(breaker, BAD, now).is_none() {}
    breaker.next_timer().unwrap()
}

#[test]
fn five_failures_in_a_row_open_it_once() {
    let mut breaker = breaker();
    for _ in 0..4 {
        assert_eq!(call(&mut breaker, BAD, SECOND), None);
    }
    let transition = call(&mut breaker, BAD, SECOND).unwrap();
    assert_eq!((transition.from, transition.cause), (Position::Closed, Cause::Consecutive));
    let left = refused(&mut breaker, SECOND).unwrap();
    assert!(left >= SECOND * 4 && left <= SECOND * 6, "{left:?}");
}

#[test]
fn half_of_at_least_five_opens_it() {
    let mut breaker = breaker();
    for outcome in [GOOD, BAD, BAD, GOOD] {
        assert_eq!(call(&mut breaker, outcome, SECOND), None);
    }
    assert_eq!(call(&mut breaker, BAD, SECOND).unwrap().cause, Cause::FailureRate);
}

#[test]
fn old_failures_do_not_count_for_the_rate() {
    let mut breaker = breaker();
    for outcome in [BAD, GOOD, BAD, GOOD] {
        call(&mut breaker, outcome, SECOND);
    }
    assert_eq!(call(&mut breaker, BAD, SECOND * 40), None);
}

#[test]
fn slow_successes_open_it() {
    let mut breaker = breaker();
    let slow = Outcome::Success { took: SECOND * 61 };
    for outcome in [slow, slow, GOOD, slow] {
        assert_eq!(call(&mut breaker, outcome, SECOND), None);
    }
    assert_eq!(call(&mut breaker, slow, SECOND).unwrap().cause, Cause::SlowRate);
}

#[test]
fn half_open_comes_by_timer_and_lets_one_trial_through() {
    let mut breaker = breaker();
    let due = opened(&mut breaker, SECOND);
    assert_eq!(breaker.tick(due - Duration::from_nanos(1)), None);
    assert_eq!(breaker.tick(due).unwrap().cause, Cause::Timer);
    let trial = ticket(&mut breaker, due);
    for _ in 0..1_000 {
        assert_eq!(refused(&mut breaker, due), Some(SECOND * 30));
    }
    assert_eq!(breaker.report(trial, GOOD, due), None);
    assert_eq!(call(&mut breaker, GOOD, due).unwrap().cause, Cause::Recovered);
    assert_eq!(breaker.view(due).position, Position::Closed);
}

#[test]
fn a_semantic_answer_is_nothing_while_closed_and_a_success_of_a_trial() {
    let mut breaker = breaker();
    for _ in 0..100 {
        assert_eq!(call(&mut breaker, Outcome::Answered, SECOND), None);
    }
    let due = opened(&mut breaker, SECOND);
    assert_eq!(call(&mut breaker, Outcome::Answered, due), None);
    assert_eq!(call(&mut breaker, Outcome::Answered, due).unwrap().cause, Cause::Recovered);
}

#[test]
fn a_dropped_trial_gives_its_permit_back_once() {
    let mut breaker = breaker();
    let due = opened(&mut breaker, SECOND);
    let first = ticket(&mut breaker, due);
    breaker.give_back(first, due);
    let second = ticket(&mut breaker, due);
    // The first holder's late words free nothing.
    breaker.give_back(first, due);
    breaker.report(first, GOOD, due);
    assert!(refused(&mut breaker, due).is_some());
    assert_ne!(first, second);
}

#[test]
fn a_lease_that_nobody_uses_goes_to_the_next() {
    let mut breaker = breaker();
    let due = opened(&mut breaker, SECOND);
    let (lease, transition) = breaker.lease_trial(due);
    assert_eq!(transition.unwrap().cause, Cause::Timer);
    assert_eq!(breaker.lease_trial(due).0, None);
    let next = breaker.lease_trial(due + SECOND * 5).0.unwrap();
    assert_ne!(lease.unwrap(), next);
    // Too late: the lease is another's now.
    assert_eq!(breaker.begin(lease.unwrap(), due + SECOND * 5), None);
    assert_eq!(breaker.next_timer(), Some(due + SECOND * 10));
    breaker.begin(next, due + SECOND * 6);
    assert_eq!(breaker.next_timer(), Some(due + SECOND * 36));
}

#[test]
fn a_silent_trial_opens_it_for_longer() {
    let mut breaker = breaker();
    let due = opened(&mut breaker, SECOND);
    let trial = ticket(&mut breaker, due);
    let transition = breaker.tick(due + SECOND * 30).unwrap();
    assert_eq!(transition.cause, Cause::TrialSilent);
    let Position::Open { left } = transition.to else { panic!("{transition:?}") };
    assert!(left >= SECOND * 8 && left <= SECOND * 12, "{left:?}");
    assert_eq!(breaker.report(trial, GOOD, due + SECOND * 31), None);
}

#[test]
fn a_success_from_before_the_trip_closes_nothing() {
    let mut breaker = breaker();
    let early = ticket(&mut breaker, SECOND);
    let due = opened(&mut breaker, SECOND);
    breaker.tick(due);
    let before = breaker.clone();
    for _ in 0..3 {
        assert_eq!(breaker.report(early, GOOD, due), None);
    }
    assert_eq!(breaker, before);
}

#[test]
fn an_outcome_of_the_last_incarnation_means_nothing_to_the_next() {
    let mut old = breaker();
    let due = opened(&mut old, SECOND);
    let trial = ticket(&mut old, due);
    let mut new = Breaker::rebuilt(Policy::default(), 8, 1, &[old.view(due)], due);
    let due = new.next_timer().unwrap();
    let own = ticket(&mut new, due);
    assert_eq!((own.generation.number, own.trial), (trial.generation.number - 1, trial.trial));
    let before = new.clone();
    assert_eq!(new.report(trial, GOOD, due), None);
    assert_eq!(new, before);
}

#[test]
fn open_times_double_to_the_cap_and_start_anew_after_sustained_health() {
    let policy = Policy { open_jitter_percent: 0, ..Policy::default() };
    let mut breaker = Breaker::new(policy, 1, 1, Duration::ZERO);
    let mut now = SECOND;
    let mut times = Vec::new();
    let mut due = opened(&mut breaker, now);
    for _ in 0..8 {
        times.push((due - now).as_secs());
        now = due;
        call(&mut breaker, BAD, now);
        due = breaker.next_timer().unwrap();
    }
    assert_eq!(times, [5, 10, 20, 40, 80, 160, 300, 300]);

    let recover = |breaker: &mut Breaker, now| {
        call(breaker, GOOD, now);
        call(breaker, GOOD, now).unwrap();
    };
    recover(&mut breaker, due);
    assert_eq!(opened(&mut breaker, due + SECOND) - due, SECOND * 301);
    let due = breaker.next_timer().unwrap();
    recover(&mut breaker, due);
    let later = due + SECOND * 300;
    assert_eq!(opened(&mut breaker, later) - later, SECOND * 5);
}

#[test]
fn the_retry_after_that_trips_it_is_the_least_open_time() {
    let mut breaker = breaker();
    for _ in 0..4 {
        call(&mut breaker, BAD, SECOND);
    }
    let told = Outcome::Failure { took: SECOND, retry_after: Some(SECOND * 120) };
    call(&mut breaker, told, SECOND);
    assert_eq!(refused(&mut breaker, SECOND), Some(SECOND * 120));
}

#[test]
fn an_operators_order_stands_until_it_is_released() {
    let mut breaker = breaker();
    breaker.force(Forced::Open, SECOND);
    assert_eq!(refused(&mut breaker, SECOND * 10_000), None);
    breaker.force(Forced::Closed, SECOND);
    for _ in 0..100 {
        assert_eq!(call(&mut breaker, BAD, SECOND), None);
    }
    assert_eq!(breaker.release(SECOND).unwrap().to, Position::Closed);
    assert_eq!(breaker.release(SECOND), None);
}

#[test]
fn an_order_that_names_its_end_is_over_then_and_not_before() {
    let mut breaker = breaker();
    let end = SECOND * 601;
    breaker.force_until(Forced::Open, end, SECOND);
    assert_eq!(breaker.next_timer(), Some(end));
    assert_eq!(refused(&mut breaker, SECOND), Some(SECOND * 600));
    // Nobody has seen the dependency meanwhile: a trial looks first.
    let over = breaker.tick(end).unwrap();
    assert_eq!((over.cause, over.to), (Cause::OrderEnded, Position::HalfOpen { left: Duration::ZERO }));
    assert!(ticket(&mut breaker, end).trial.is_some());

    breaker.force_until(Forced::Closed, end + SECOND, end);
    for _ in 0..100 {
        assert_eq!(call(&mut breaker, BAD, end), None);
    }
    let over = breaker.tick(end + SECOND).unwrap();
    assert_eq!((over.cause, over.to), (Cause::OrderEnded, Position::Closed));
    assert_eq!(call(&mut breaker, BAD, end + SECOND), None, "what failed under the order counts no more");
}

#[test]
fn a_follower_takes_the_owners_state_and_gives_no_trial() {
    let mut owner = breaker();
    let due = opened(&mut owner, SECOND);
    let mut follower = Breaker::new(Policy::default(), 9, 9, Duration::ZERO);
    let own = ticket(&mut follower, SECOND);
    follower.follow(&owner.view(SECOND), SECOND * 500);
    assert_eq!(refused(&mut follower, SECOND * 500), Some(due - SECOND));
    assert_eq!(follower.report(own, GOOD, SECOND * 500), None);
    owner.tick(due);
    follower.follow(&owner.view(due), SECOND * 600);
    assert!(refused(&mut follower, SECOND * 600).is_some());
    call(&mut owner, GOOD, due);
    call(&mut owner, GOOD, due);
    follower.follow(&owner.view(due), SECOND * 601);
    ticket(&mut follower, SECOND * 601);
}

#[test]
fn a_new_owner_is_open_if_any_peer_reports_open() {
    let closed = breaker().view(Duration::ZERO);
    let open = View { position: Position::Open { left: SECOND * 9 }, level: 3, ..closed };
    let rebuilt = |reports: &[View]| {
        let breaker = Breaker::rebuilt(Policy::default(), 2, 2, reports, SECOND);
        breaker.view(SECOND).position
    };
    assert_eq!(rebuilt(&[closed, open, closed]), Position::Open { left: SECOND * 9 });
    assert_eq!(rebuilt(&[closed, closed]), Position::Closed);
    let order = View { position: Position::Forced { order: Forced::Open }, ..closed };
    assert_eq!(rebuilt(&[open, order]), Position::Forced { order: Forced::Open });
}

#[test]
fn only_transport_failures_count() {
    let of = |class, reason| Outcome::of_failure(&Failure::new(class, Effect::Unknown, reason, ""), SECOND);
    assert!(matches!(of(Class::Ambiguous, Reason::ConnectionLost), Outcome::Failure { .. }));
    assert!(matches!(of(Class::RateLimited, Reason::RateLimited), Outcome::Failure { .. }));
    assert_eq!(of(Class::Ambiguous, Reason::BadArguments), Outcome::Answered);
    assert_eq!(of(Class::Permanent, Reason::Unauthenticated), Outcome::Answered);
    assert_eq!(of(Class::Cancelled, Reason::CancelledByCaller), Outcome::Nothing);
    assert_eq!(of(Class::Unavailable, Reason::CircuitOpen), Outcome::Nothing);
}

/// What anybody may do to a breaker, in any order.
#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    Admit,
    Lease,
    Begin(proptest::sample::Index),
    GiveBack(proptest::sample::Index),
    Report(proptest::sample::Index, Outcome),
    Force(Forced),
    ForceFor(Forced, u64),
    Release,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let took = (0u64..90).prop_map(Duration::from_secs);
    prop_oneof![
        3 => took.clone().prop_map(|took| Outcome::Success { took }),
        5 => (took, proptest::option::of(0u64..600)).prop_map(|(took, retry_after)| Outcome::Failure {
            took,
            retry_after: retry_after.map(Duration::from_secs),
        }),
        1 => Just(Outcome::Answered),
        1 => Just(Outcome::Nothing),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let index = any::<proptest::sample::Index>;
    prop_oneof![
        3 => (0u64..40_000).prop_map(Op::Wait),
        6 => Just(Op::Admit),
        1 => Just(Op::Lease),
        1 => index().prop_map(Op::Begin),
        1 => index().prop_map(Op::GiveBack),
        8 => (index(), outcomes()).prop_map(|(at, outcome)| Op::Report(at, outcome)),
        1 => proptest::sample::select(&[Forced::Open, Forced::Closed][..]).prop_map(Op::Force),
        1 => (proptest::sample::select(&[Forced::Open, Forced::Closed][..]), 0u64..90_000)
            .prop_map(|(order, millis)| Op::ForceFor(order, millis)),
        2 => Just(Op::Release),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let window = prop_oneof![
        (1u32..20).prop_map(Span::Calls),
        (1u64..60).prop_map(|seconds| Span::Time(Duration::from_secs(seconds))),
    ];
    (window, 0u32..8, 0u8..=100, 0u8..=100, 0u32..8, 0u64..20, 0u8..=100, 0u32..4).prop_map(
        |(window, min_calls, failure_percent, slow_percent, consecutive, open, jitter, successes)| Policy {
            window,
            min_calls,
            failure_percent,
            slow_percent,
            consecutive,
            open: Duration::from_secs(open),
            open_jitter_percent: jitter,
            successes,
            ..Policy::default()
        },
    )
}

/// Follows one breaker through any sequence, and checks what holds after each step.
struct Watch {
    breaker: Breaker,
    now: Duration,
    tickets: Vec<Ticket>,
}

impl Watch {
    fn apply(&mut self, op: Op) -> Option<Transition> {
        let now = self.now;
        let pick = |index: &proptest::sample::Index, tickets: &[Ticket]| {
            (!tickets.is_empty()).then(|| tickets[index.index(tickets.len())])
        };
        match op {
            Op::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                self.breaker.tick(self.now)
            }
            Op::Admit => {
                let (admission, transition) = self.breaker.admit(now);
                if let Admission::Admitted(ticket) = admission {
                    self.tickets.push(ticket);
                }
                transition
            }
            Op::Lease => {
                let (ticket, transition) = self.breaker.lease_trial(now);
                self.tickets.extend(ticket);
                transition
            }
            Op::Begin(at) => pick(&at, &self.tickets).and_then(|ticket| self.breaker.begin(ticket, now)),
            Op::GiveBack(at) => {
                pick(&at, &self.tickets).and_then(|ticket| self.breaker.give_back(ticket, now))
            }
            Op::Report(at, outcome) => {
                pick(&at, &self.tickets).and_then(|ticket| self.breaker.report(ticket, outcome, now))
            }
            Op::Force(order) => Some(self.breaker.force(order, now)),
            Op::ForceFor(order, millis) => {
                Some(self.breaker.force_until(order, now + Duration::from_millis(millis), now))
            }
            Op::Release => self.breaker.release(now),
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_keeps_the_rules(policy in policies(), seed in any::<u64>(), ops in proptest::collection::vec(ops(), 0..300)) {
        let breaker = Breaker::new(policy, 1, seed, Duration::ZERO);
        let mut watch = Watch { breaker, now: Duration::ZERO, tickets: Vec::new() };
        for op in ops {
            let before = watch.breaker.clone();
            let stale = match &op {
                Op::Report(at, _) | Op::GiveBack(at) | Op::Begin(at) if !watch.tickets.is_empty() => {
                    watch.tickets[at.index(watch.tickets.len())].generation != before.generation
                }
                _ => false,
            };
            let by_operator = matches!(op, Op::Force(_) | Op::ForceFor(..) | Op::Release);
            let transition = watch.apply(op);
            let (after, now) = (&watch.breaker, watch.now);

            // A generation ends with each transition, and with nothing else.
            let raised = after.generation.number - before.generation.number;
            prop_assert_eq!(raised, u64::from(transition.is_some()));
            // What is of another generation changes nothing (but for what time does anyway).
            if stale {
                let mut ticked = before.clone();
                ticked.tick(now);
                prop_assert_eq!(after, &ticked);
            }
            // Only an operator ends an operator's order: at once, or at the end that it named.
            if let State::Forced { until, .. } = before.state {
                let is_over = until.is_some_and(|until| until <= now);
                prop_assert!(by_operator || is_over || *after == before);
            }
            // Nothing but time opens the way out of an open breaker, and not before its time.
            if let State::Open { until } = before.state {
                match &after.state {
                    State::Open { until: same } => prop_assert_eq!(*same, until),
                    State::HalfOpen { .. } => prop_assert!(until <= now),
                    State::Forced { .. } => prop_assert!(by_operator),
                    State::Closed { .. } => prop_assert!(false, "open became closed"),
                }
            }
            if let Some(Transition { to: Position::Open { left }, .. }) = transition {
                prop_assert!(left > Duration::ZERO);
            }
        }
    }

    #[test]
    fn at_most_one_trial_is_out(policy in policies(), steps in proptest::collection::vec((any::<bool>(), 0u64..3_000), 1..100)) {
        let policy = Policy { consecutive: 1, successes: 3, ..policy };
        let mut breaker = Breaker::new(policy, 1, 1, Duration::ZERO);
        let mut now = opened(&mut breaker, Duration::ZERO);
        let mut out: Option<Ticket> = None;
        for (give_back, millis) in steps {
            if let Admission::Admitted(ticket) = breaker.admit(now).0 {
                prop_assert!(out.is_none(), "two trials at once");
                out = Some(ticket);
            }
            if give_back && let Some(ticket) = out.take() {
                breaker.give_back(ticket, now);
            }
            now += Duration::from_millis(millis);
            if matches!(breaker.tick(now), Some(Transition { cause: Cause::TrialSilent, .. })) {
                out = None;
            }
        }
    }

    /// A dependency that works again is always found out, whatever happened before, with no traffic but trials.
    #[test]
    fn no_breaker_stays_open_over_a_healthy_dependency(policy in policies(), seed in any::<u64>(), ops in proptest::collection::vec(ops(), 0..100)) {
        let breaker = Breaker::new(policy, 1, seed, Duration::ZERO);
        let mut watch = Watch { breaker, now: Duration::ZERO, tickets: Vec::new() };
        for op in ops {
            watch.apply(op);
        }
        let (mut breaker, mut now) = (watch.breaker, watch.now);
        breaker.release(now);
        for _ in 0..8 {
            if let Some(due) = breaker.next_timer() {
                now = now.max(due);
                breaker.tick(now);
            }
            while let Admission::Admitted(ticket) = breaker.admit(now).0 {
                if ticket.trial.is_none() {
                    return Ok(());
                }
                breaker.report(ticket, Outcome::Success { took: Duration::ZERO }, now);
            }
        }
        prop_assert!(false, "still {:?}", breaker.view(now));
    }
}
