//! A breaker that is open: nothing is sent, nothing is tried, and who can do without goes on at once (DESIGN 6, 7).

use std::time::Duration;

use holdfast_engine::action::Look;
use holdfast_engine::{Action, Circuit, Grant, Input};
use holdfast_types::plan::Quorum;
use holdfast_types::task::{ResultSource, WaitReason};
use holdfast_types::{Class, Effect, Failure, Payload, Reason, TaskOutcome, TaskStatus};
use serde_json::json;

use crate::by_hand::{ByHand, prepare};
use crate::plans::{START, call, fan_out, id, optional, spec, step, with_fallback, with_value};
use crate::scenarios::{trip, with_faults};
use crate::world::{EVERY, Fault};

const LEFT: Duration = Duration::from_secs(30);

fn open(left: Option<Duration>) -> Failure {
    let message = "the breaker of send is open";
    let failure = Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::CircuitOpen, message);
    Failure { retry_after: left, ..failure }
}

fn refused(hand: &mut ByHand, call: &str, left: Option<Duration>) -> Vec<Action> {
    hand.feed(Input::PrepareFailed { call: call.parse().unwrap(), failure: open(left) })
}

/// The outcome of a task whose steps have ended.
fn outcome(hand: &mut ByHand) -> Option<TaskOutcome> {
    hand.feed(Input::Output(Ok(Payload::null())));
    hand.task.summary().outcome
}

fn look(actions: &[Action], call: &str) -> Option<Look> {
    match prepare(actions, call) {
        Some(Action::Prepare(prepare)) => Some(prepare.look),
        _ => None,
    }
}

#[test]
fn an_optional_step_is_skipped_at_once_and_costs_no_attempt() {
    let plan =
        spec(vec![optional(step("weather", call("read"), &[])), step("pay", call("pay"), &["weather"])]);
    let mut sim = with_faults(plan, &[("weather", EVERY, Fault::Shut)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    let summary = sim.task.summary();
    let failure = summary.report.missing[0].failure.as_ref().unwrap();
    assert_eq!(
        (failure.reason, failure.effect, failure.attempts),
        (Reason::CircuitOpen, Effect::NotExecuted, 0)
    );
    assert_eq!(failure.retry_after, Some(Duration::from_secs(10)));
    assert_eq!((summary.report.retries, sim.world.count("pay")), (0, 1));
    assert!(!sim.kinds().contains(&"call_waits"), "{:?}", sim.kinds());
    assert!(sim.now < START.after(Duration::from_secs(1)), "it did not wait");
}

#[test]
fn a_degradable_step_goes_to_its_fallback_at_once() {
    let plan = || spec(vec![with_value(with_fallback(step("s", call("send"), &[]), "put"), json!(1))]);
    let mut sim = with_faults(plan(), &[("s", EVERY, Fault::Shut)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("s")).unwrap().source, Some(ResultSource::Fallback));
    // And on to the next one, where the fallback's breaker is open too.
    let mut sim = with_faults(plan(), &[("s", EVERY, Fault::Shut), ("s~fallback0", EVERY, Fault::Shut)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("s")).unwrap().source, Some(ResultSource::Value));
    assert!(sim.now < START.after(Duration::from_secs(1)), "it did not wait");
}

#[test]
fn a_critical_call_waits_as_a_row_until_the_breaker_is_expected_back() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    assert_eq!(look(&actions, "s"), Some(Look::First));
    assert!(refused(&mut hand, "s", Some(LEFT)).is_empty());
    let summary = hand.task.summary();
    assert_eq!((summary.status, summary.waits_for), (TaskStatus::Waiting, Some(WaitReason::CircuitOpen)));
    let wake = hand.task.next_wake().unwrap();
    assert!(wake >= START.after(LEFT) && wake < START.after(LEFT + LEFT / 10), "{wake:?}");
    let folded = holdfast_engine::Task::fold(hand.task.id(), &hand.journal).unwrap();
    assert_eq!(folded.summary(), summary);
    // Still shut: it waits on, and the journal says nothing new.
    let written = hand.journal.len();
    hand.now = wake;
    assert_eq!(look(&hand.feed(Input::Tick), "s"), Some(Look::Again));
    refused(&mut hand, "s", Some(LEFT));
    assert_eq!(hand.journal.len(), written);
    // A breaker that closes earlier wakes it, also in its next life.
    let actions = hand.live();
    assert_eq!(look(&actions, "s"), Some(Look::Again));
    refused(&mut hand, "s", Some(LEFT));
    let actions = hand.feed(Input::ToolsChanged);
    let actions = hand.prepared(prepare(&actions, "s").unwrap());
    hand.succeeded(&actions[0]);
    assert_eq!(outcome(&mut hand), Some(TaskOutcome::Succeeded));
    assert_eq!(hand.task.step_view(&id("s")).unwrap().attempts, 1);
}

#[test]
fn a_forced_breaker_is_waited_for_to_the_end_of_the_step_and_the_failure_says_so() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    refused(&mut hand, "s", None);
    while hand.task.summary().outcome.is_none() {
        hand.now = hand.task.next_wake().unwrap();
        if look(&hand.feed(Input::Tick), "s").is_some() {
            refused(&mut hand, "s", None);
        }
    }
    assert_eq!(hand.now, START.after(Duration::from_secs(600)));
    let failure = hand.task.summary().failure.unwrap();
    assert_eq!((failure.class, failure.reason), (Class::Unavailable, Reason::CircuitOpen));
    assert_eq!(failure.message, "the breaker of send is open, and did not close within the step's 10m");
}

#[test]
fn a_breaker_that_comes_back_after_the_step_s_time_is_not_waited_for() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    hand.now = START.after(Duration::from_secs(1));
    refused(&mut hand, "s", Some(LEFT));
    assert!(hand.task.summary().outcome.is_none());
    hand.feed(Input::ToolsChanged);
    refused(&mut hand, "s", Some(Duration::from_secs(3_600)));
    let failure = hand.task.summary().failure.unwrap();
    assert_eq!((failure.reason, failure.attempts), (Reason::CircuitOpen, 0));
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Failed));
}

#[test]
fn undos_wait_for_their_breaker_and_are_never_skipped() {
    let faults =
        [("hotel", 1, Fault::Permanent), ("charge~undo", 1, Fault::Shut), ("charge~undo", 2, Fault::Shut)];
    let mut sim = with_faults(trip(), &faults);
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!((sim.world.count("charge~undo"), sim.world.count("flight~undo")), (1, 1));
    assert!(sim.now >= START.after(Duration::from_secs(20)));
    // One that never closes leaves the others time, and what stands is named.
    let faults = [("hotel", 1, Fault::Permanent), ("charge~undo", EVERY, Fault::Shut)];
    let mut sim = with_faults(trip(), &faults);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let stands = sim.task.summary().report.stands;
    assert!(stands[0].why.contains("CIRCUIT_OPEN"), "{}", stands[0].why);
    assert_eq!(sim.world.count("flight~undo"), 1);
}

#[test]
fn a_refusal_never_lowers_what_an_earlier_attempt_may_have_done() {
    let (mut hand, actions) = ByHand::new(spec(vec![optional(step("s", call("put"), &[]))]));
    let actions = hand.prepared(&actions[0]);
    let actions = hand.failed(&actions[0], Class::Transient, Effect::Unknown);
    assert!(look(&actions, "s").is_some());
    refused(&mut hand, "s", Some(LEFT));
    assert_eq!(outcome(&mut hand), Some(TaskOutcome::Degraded));
    let failure = hand.task.summary().report.missing[0].failure.clone().unwrap();
    assert_eq!((failure.reason, failure.effect, failure.attempts), (Reason::CircuitOpen, Effect::Unknown, 1));
}

#[test]
fn a_retry_that_would_meet_an_open_breaker_is_not_slept_for_and_spends_nothing() {
    let shut = Circuit::Shut { left: Some(LEFT) };
    let (mut hand, actions) = ByHand::new(spec(vec![optional(step("s", call("read"), &[]))]));
    let actions = hand.prepared(&actions[0]);
    hand.before.circuit = shut;
    hand.failed(&actions[0], Class::Transient, Effect::NotExecuted);
    assert_eq!((outcome(&mut hand), hand.before.spent), (Some(TaskOutcome::Degraded), 0));
    let failure = hand.task.summary().report.missing[0].failure.clone().unwrap();
    assert_eq!((failure.reason, failure.attempts), (Reason::DependencyError, 1));
    assert_eq!(failure.details["circuit_open"], "true");
}

#[test]
fn a_retry_of_a_critical_call_waits_the_breaker_out_and_its_token_is_given_back() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("read"), &[])]));
    let actions = hand.prepared(&actions[0]);
    // Decided while the breaker was closed: paid for. Open when it is to be sent: given back.
    hand.failed(&actions[0], Class::Transient, Effect::NotExecuted);
    assert_eq!(hand.before.spent, 1);
    refused(&mut hand, "s", Some(LEFT));
    assert_eq!(hand.before.spent, 0);
    hand.now = hand.task.next_wake().unwrap();
    hand.feed(Input::Tick);
    refused(&mut hand, "s", Some(LEFT));
    assert_eq!(hand.before.spent, 0, "once");
    // A call that waited is held back no more than a first attempt is, whatever the budget says.
    hand.before.grant = Grant::Refused;
    let actions = hand.feed(Input::ToolsChanged);
    let actions = hand.prepared(prepare(&actions, "s").unwrap());
    // Decided while it is open: the same, from the beginning.
    hand.before.circuit = Circuit::Shut { left: Some(LEFT) };
    let actions = hand.failed(&actions[0], Class::Transient, Effect::NotExecuted);
    let actions = hand.prepared(prepare(&actions, "s").unwrap());
    hand.succeeded(&actions[0]);
    assert_eq!((outcome(&mut hand), hand.before.spent), (Some(TaskOutcome::Succeeded), 0));
}

#[test]
fn a_quorum_is_judged_without_those_that_the_breaker_refuses() {
    let plan = spec(vec![optional(fan_out("many", call("read"), 4, Quorum::AtLeast(2), &[]))]);
    let mut sim = with_faults(plan, &[("many", 1, Fault::Shut), ("many", 2, Fault::Shut)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    let summary = sim.task.summary();
    assert_eq!(summary.report.missing.len(), 2, "{:?}", summary.report);
    assert!(sim.now < START.after(Duration::from_secs(1)), "it did not wait");
}
