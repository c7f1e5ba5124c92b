#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use holdfast_ports::{BreakerBoard, CallKind, CallReport, CallVerdict, Owner, ToldBreaker, TrialPermit};
use holdfast_resilience::breaker::Policy;
use holdfast_resilience::classify::{Code, code};
use holdfast_runtime::ManualClock;
use holdfast_types::breaker::{Forced, View};
use holdfast_types::worker::{CallOutcome, Success};
use holdfast_types::{Class, Effect, Payload, Reason, Source, Timestamp, WorkerId};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const OPEN: Position = Position::Open { left: Duration::from_secs(5) };
const HALF_OPEN: Position = Position::HalfOpen { left: Duration::from_secs(5) };

struct Instance {
    breakers: Arc<Breakers>,
    clock: Arc<ManualClock>,
    board: BreakerBoard,
}

impl Instance {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_000_000)));
        let policy = Policy { open_jitter_percent: 0, ..Policy::default() };
        let breakers = Breakers::new(policy, 7, clock.clone(), Metrics::no_op());
        Self { breakers, clock, board: BreakerBoard::default() }
    }

    fn change(&mut self, act: impl FnOnce(&mut BreakerBoard)) {
        let before = self.board.clone();
        self.board.version += 1;
        act(&mut self.board);
        self.breakers.take(&self.board, &before);
    }

    /// An owner comes that knows this of the one breaker, or nothing.
    fn owner(&mut self, told: Option<(u64, Position)>) {
        self.change(|board| {
            board.owner = Owner::Present { asks: board.version };
            board.breakers = BTreeMap::new();
            board.permits = BTreeMap::new();
        });
        if let Some((number, position)) = told {
            self.tell(number, position);
        }
    }

    fn tell(&mut self, number: u64, position: Position) {
        let generation = Generation { incarnation: 1, number };
        self.change(|board| {
            let view = View { generation, position, level: 0 };
            board.breakers.insert("pay".to_owned(), ToldBreaker { view, told: board.version });
        });
    }

    fn permit(&mut self, number: u64) {
        let generation = Generation { incarnation: 1, number };
        self.change(|board| {
            let permit = TrialPermit { generation, valid_for: SECOND * 5, told: board.version };
            board.permits.insert("pay".to_owned(), permit);
        });
    }

    fn away(&mut self) {
        self.change(|board| board.owner = Owner::Away);
    }

    fn refused(&self) -> Option<Failure> {
        self.breakers.admit("pay").err()
    }

    /// Makes a call that ends so; none where it is not let through.
    fn call(&self, outcome: &CallOutcome) -> Option<()> {
        let mut permit = self.breakers.admit("pay").ok()?;
        permit.sent(worker());
        permit.ended(outcome);
        Some(())
    }

    fn taken(&self) -> Vec<(CallVerdict, CallKind)> {
        self.breakers.reports.take().into_iter().map(|call| (call.verdict, call.kind)).collect()
    }
}

fn worker() -> WorkerId {
    WorkerId::new(1, [1; 10])
}

fn good() -> CallOutcome {
    Ok(Success { result: Payload::null(), replayed_downstream: false })
}

fn bad() -> CallOutcome {
    Err(Failure::new(Class::Transient, Effect::Unknown, Reason::DependencyUnavailable, "not now"))
}

#[tokio::test]
async fn a_refusal_names_the_breaker_its_state_and_when_to_ask_again() {
    let mut instance = Instance::new();
    instance.owner(Some((1, OPEN)));
    instance.clock.advance(SECOND);
    let failure = instance.refused().unwrap();
    assert_eq!((failure.class, failure.effect), (Class::Unavailable, Effect::NotExecuted));
    assert_eq!((failure.reason, failure.source), (Reason::CircuitOpen, Source::Platform));
    assert_eq!(failure.retry_after, Some(SECOND * 4));
    assert_eq!((&*failure.details["breaker"], &*failure.details["breaker_state"]), ("pay", "open"));
    assert_eq!(code(failure.class, failure.reason), Code::Unavailable);
    instance.tell(2, Position::Forced { order: Forced::Open });
    let failure = instance.refused().unwrap();
    assert_eq!((failure.retry_after, &*failure.details["breaker_state"]), (None, "forced_open"));
    assert_eq!(failure.message, "an operator holds the breaker of pay open");
    assert!(instance.breakers.admit("other").is_ok(), "each dependency for itself");
}

#[tokio::test]
async fn an_owner_s_trial_goes_to_one_call_and_a_dropped_one_is_given_back() {
    let mut instance = Instance::new();
    instance.owner(Some((2, HALF_OPEN)));
    assert!(instance.refused().is_some());
    let passed = instance.breakers.passed();
    instance.permit(2);
    assert_eq!(instance.breakers.passed(), passed + 1, "who waits is woken");
    assert_eq!(instance.breakers.circuit("pay"), Circuit::Closed);
    assert!(!instance.breakers.is_closed("pay"), "no hedge");
    let dropped = instance.breakers.admit("pay").unwrap();
    assert!(instance.refused().is_some(), "it is taken");
    drop(dropped);
    assert!(instance.taken().is_empty(), "the owner hears of none");
    // Called off under way: the owner gets it back.
    let mut permit = instance.breakers.admit("pay").unwrap();
    permit.sent(worker());
    drop(permit);
    let trial = CallKind::Trial;
    assert_eq!(instance.taken(), [(CallVerdict::Begun, trial), (CallVerdict::Nothing, trial)]);
    assert!(instance.refused().is_some(), "it is used up");
    // One that nobody used in its time is gone.
    instance.permit(2);
    instance.clock.advance(SECOND * 5);
    assert!(instance.refused().is_some());
    // One of another generation is none.
    instance.permit(1);
    assert!(instance.refused().is_some());
    instance.permit(2);
    instance.call(&good()).unwrap();
    assert_eq!(instance.taken(), [(CallVerdict::Begun, trial), (CallVerdict::Alive, trial)]);
    assert!(instance.refused().is_some(), "the owner decides what it means");
    instance.tell(3, Position::Closed);
    instance.call(&good()).unwrap();
}

#[tokio::test]
async fn a_follower_decides_nothing_and_carries_the_owner_s_generation() {
    let mut instance = Instance::new();
    instance.owner(Some((4, Position::Closed)));
    for _ in 0..20 {
        instance.call(&bad()).unwrap();
    }
    let reports: Vec<CallReport> = instance.breakers.reports.take();
    assert_eq!(reports.len(), 20);
    let told = Generation { incarnation: 1, number: 4 };
    assert!(reports.iter().all(|call| call.generation == Some(told) && call.worker == Some(worker())));
}

#[tokio::test]
async fn alone_it_trips_and_heals_with_one_trial_at_a_time_and_the_owner_s_state_replaces_its_own() {
    let mut instance = Instance::new();
    instance.owner(Some((4, Position::Closed)));
    instance.away();
    for _ in 0..5 {
        instance.call(&bad()).unwrap();
    }
    assert_eq!(instance.refused().unwrap().retry_after, Some(SECOND * 5));
    let Circuit::Shut { left: Some(left) } = instance.breakers.circuit("pay") else { panic!("open") };
    assert_eq!(left, SECOND * 5);
    instance.clock.advance(SECOND * 5);
    let trial = instance.breakers.admit("pay").unwrap();
    assert!(instance.refused().is_some(), "one trial at a time");
    drop(trial);
    instance.call(&good()).unwrap();
    instance.call(&good()).unwrap();
    assert!(instance.breakers.is_closed("pay"));
    // What this instance let through by itself is of no generation of the owner's.
    assert!(instance.breakers.reports.take().iter().rev().take(2).all(|call| call.generation.is_none()));
    instance.owner(Some((4, OPEN)));
    assert!(instance.refused().is_some(), "the owner is back");
}

#[tokio::test]
async fn an_owner_that_goes_leaves_what_it_told_and_one_that_starts_anew_is_told() {
    let mut instance = Instance::new();
    instance.owner(Some((4, OPEN)));
    instance.clock.advance(SECOND);
    instance.away();
    assert_eq!(instance.refused().unwrap().retry_after, Some(SECOND * 4));
    // Another incarnation, which knows nothing: this instance does not forget until it is told.
    instance.owner(None);
    assert!(instance.refused().is_some());
    let told = instance.breakers.own_breakers();
    assert_eq!((told[0].0.as_str(), told[0].1.position), ("pay", Position::Open { left: SECOND * 4 }));
    let passed = instance.breakers.passed();
    instance.tell(0, OPEN);
    assert!(instance.breakers.own_breakers().is_empty(), "the owner has it");
    assert_eq!(instance.breakers.passed(), passed);
    instance.tell(1, Position::Closed);
    assert_eq!(instance.breakers.passed(), passed + 1);
}

#[tokio::test]
async fn a_late_success_from_before_the_trip_closes_nothing() {
    let mut instance = Instance::new();
    instance.away();
    let mut early = instance.breakers.admit("pay").unwrap();
    early.sent(worker());
    for _ in 0..5 {
        instance.call(&bad()).unwrap();
    }
    instance.clock.advance(SECOND * 5);
    let first = instance.breakers.admit("pay").unwrap();
    early.ended(&good());
    assert!(instance.refused().is_some(), "the trial is still out");
    drop(first);
}

#[tokio::test]
async fn only_the_dependency_s_own_failures_are_told_as_such() {
    let mut instance = Instance::new();
    instance.owner(Some((1, Position::Closed)));
    let fails = |class, reason, source| {
        let failure = Failure::new(class, Effect::NotExecuted, reason, "so").from_source(source);
        instance.call(&Err(failure)).unwrap();
        instance.taken().first().map(|(verdict, _)| *verdict)
    };
    let failed = Some(CallVerdict::Failed { retry_after: None });
    assert_eq!(fails(Class::Transient, Reason::ConnectFailed, Source::Platform), None, "a dead replica");
    assert_eq!(fails(Class::Transient, Reason::ConnectionLost, Source::Platform), None);
    assert_eq!(fails(Class::Transient, Reason::ConnectFailed, Source::Tool), failed);
    assert_eq!(fails(Class::RateLimited, Reason::RateLimited, Source::Tool), failed);
    assert_eq!(fails(Class::Transient, Reason::AttemptTimeout, Source::Platform), failed);
    assert_eq!(fails(Class::Crashed, Reason::ToolPanicked, Source::Tool), failed);
    assert_eq!(fails(Class::Semantic, Reason::NotFound, Source::Tool), Some(CallVerdict::Alive));
    assert_eq!(fails(Class::Permanent, Reason::Unauthenticated, Source::Tool), None);
    assert_eq!(fails(Class::Cancelled, Reason::CancelledByCaller, Source::Platform), None);
    assert_eq!(fails(Class::RateLimited, Reason::NoCapacity, Source::Platform), None);
    // A trial only asks whether it answers.
    instance.tell(2, HALF_OPEN);
    instance.permit(2);
    let refused = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::Unauthenticated, "who?");
    instance.call(&Err(refused)).unwrap();
    assert_eq!(instance.taken()[1].0, CallVerdict::Alive);
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_gathered_for_a_second_or_until_there_are_enough_failures() {
    let mut instance = Instance::new();
    instance.owner(Some((1, Position::Closed)));
    let reports = &instance.breakers.reports;
    let began = tokio::time::Instant::now();
    instance.call(&good()).unwrap();
    reports.due().await;
    assert_eq!(began.elapsed(), SECOND);
    assert_eq!(reports.take().len(), 1);
    for _ in 0..5 {
        instance.call(&bad()).unwrap();
    }
    let began = tokio::time::Instant::now();
    reports.due().await;
    assert!(began.elapsed() < SECOND, "what may trip it does not wait");
    assert_eq!(reports.take().len(), 5);
    for _ in 0..10_100 {
        instance.call(&good()).unwrap();
    }
    assert_eq!(reports.take().len(), 10_000, "the oldest go first");
}

#[tokio::test]
async fn a_trial_is_kept_for_calls_that_may_be_repeated_for_a_moment() {
    let mut instance = Instance::new();
    instance.owner(Some((2, HALF_OPEN)));
    instance.permit(2);
    let refused = instance.breakers.admit_harmful("pay").unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (Reason::CircuitOpen, Some(SECOND)));
    drop(instance.breakers.admit("pay").unwrap());
    // What was given back is anybody's; and nobody waits for others for longer than a moment.
    drop(instance.breakers.admit_harmful("pay").unwrap());
    instance.permit(2);
    instance.clock.advance(SECOND);
    drop(instance.breakers.admit_harmful("pay").unwrap());
    instance.tell(3, Position::Closed);
    drop(instance.breakers.admit_harmful("pay").unwrap());
}
