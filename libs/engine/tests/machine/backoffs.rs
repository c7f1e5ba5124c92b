//! How the waits between attempts grow, and what makes them begin anew.

use std::time::Duration;

use holdfast_engine::{Action, Input};
use holdfast_types::plan::StepKind;
use holdfast_types::retry::Jitter;
use holdfast_types::task::{TaskBody, TaskSpec};
use holdfast_types::{Class, Effect, Failure, Reason, RetryHint};

use crate::by_hand::{ByHand, prepare};
use crate::plans::{call, spec, step};

const MS: Duration = Duration::from_millis(1);

fn tried_often(jitter: Jitter) -> TaskSpec {
    let mut plan = spec(vec![step("ask", call("read"), &[])]);
    let TaskBody::Plan(body) = &mut plan.body;
    let StepKind::Call(ask) = &mut body.steps[0].kind else { panic!("a call") };
    ask.retry.jitter = Some(jitter);
    ask.retry.max_attempts = Some(10);
    plan
}

/// Fails the attempt that is wanted now in this way, and returns how long the next one is waited for.
fn wait_after(hand: &mut ByHand, failure: Failure) -> Duration {
    let actions = hand.feed(Input::Tick);
    let sent = hand.prepared(prepare(&actions, "ask").expect("an attempt"));
    let Some(Action::Execute(execute)) = sent.first() else { panic!("{sent:?}") };
    let (call, attempt) = (execute.call.clone(), execute.attempt);
    hand.feed(Input::AttemptEnded { call, attempt, outcome: Err(failure) });
    let at = hand.task.next_wake().expect("a retry");
    let wait = at.since(hand.now);
    hand.now = at;
    wait
}

fn plain() -> Failure {
    Failure::new(Class::Transient, Effect::NotExecuted, Reason::DependencyUnavailable, "not now")
}

fn pushed_back(wait: Duration) -> Failure {
    Failure { retry_hint: RetryHint::Exactly, ..plain().retry_after(wait) }
}

/// The first attempt is asked for at the beginning already.
fn begun(jitter: Jitter) -> ByHand {
    let (mut hand, actions) = ByHand::new(tried_often(jitter));
    let sent = hand.prepared(&actions[0]);
    let Some(Action::Execute(execute)) = sent.first() else { panic!("{sent:?}") };
    let (call, attempt) = (execute.call.clone(), execute.attempt);
    hand.feed(Input::AttemptEnded { call, attempt, outcome: Err(plain()) });
    hand.now = hand.task.next_wake().expect("a retry");
    hand
}

#[test]
fn after_a_pushback_the_base_is_the_first_again() {
    let mut hand = begun(Jitter::None);
    assert_eq!(wait_after(&mut hand, plain()), MS * 100);
    assert_eq!(wait_after(&mut hand, plain()), MS * 200);
    // Exactly so long: neither the backoff, which would be longer, nor less.
    assert_eq!(wait_after(&mut hand, pushed_back(MS * 250)), MS * 250);
    assert_eq!(wait_after(&mut hand, plain()), MS * 50);
    // What is folded from the journal goes on in the same way.
    let folded = holdfast_engine::Task::fold(hand.task.id(), &hand.journal).unwrap();
    assert_eq!(folded.summary(), hand.task.summary());
    assert_eq!(wait_after(&mut hand, plain()), MS * 100);
}

#[test]
fn a_minimum_is_waited_for_and_the_backoff_goes_on_growing() {
    let mut hand = begun(Jitter::None);
    assert_eq!(wait_after(&mut hand, plain().retry_after(MS * 700)), MS * 700);
    assert_eq!(wait_after(&mut hand, plain()), MS * 200);
}

#[test]
fn decorrelated_waits_grow_from_the_last_one() {
    let mut hand = begun(Jitter::Decorrelated);
    hand.random = u64::MAX;
    let waits: Vec<u128> = (0..4).map(|_| wait_after(&mut hand, plain()).as_millis()).collect();
    // Chance draws the most each time: three times the last wait, which is kept in whole milliseconds.
    assert_eq!(waits, [149, 446, 1_337, 4_010]);
}
