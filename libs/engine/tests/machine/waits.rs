//! A tool that nobody hosts is waited for as a row, without a process and without an attempt (DESIGN 2).

use std::time::Duration;

use holdfast_engine::action::Look;
use holdfast_engine::{Action, Input};
use holdfast_types::inbox::Message;
use holdfast_types::task::{ResultSource, StepStatus, TaskBody, WaitReason};
use holdfast_types::{Class, Effect, Failure, Reason, TaskOutcome, TaskStatus};
use serde_json::json;

use crate::by_hand::{ByHand, prepare};
use crate::plans::{START, call, id, optional, spec, step, with_fallback, with_value};
use crate::scenarios::{trip, with_faults};
use crate::world::{EVERY, Fault};

fn gone(hand: &mut ByHand, call: &str) -> Vec<Action> {
    let failure = Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::ToolGone, "nobody hosts it");
    hand.feed(Input::PrepareFailed { call: call.parse().unwrap(), failure })
}

fn look(actions: &[Action], call: &str) -> Option<Look> {
    match prepare(actions, call) {
        Some(Action::Prepare(prepare)) => Some(prepare.look),
        _ => None,
    }
}

#[test]
fn a_call_whose_tool_is_gone_waits_durably_and_costs_no_attempt() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    assert_eq!(look(&actions, "s"), Some(Look::First));
    assert!(gone(&mut hand, "s").is_empty());
    let summary = hand.task.summary();
    assert_eq!((summary.status, summary.waits_for), (TaskStatus::Waiting, Some(WaitReason::ToolGone)));
    assert!(hand.task.is_idle());
    assert_eq!(hand.task.next_wake(), Some(START.after(Duration::from_secs(5))));
    let folded = holdfast_engine::Task::fold(hand.task.id(), &hand.journal).unwrap();
    assert_eq!(folded.summary(), summary);
    let shown = folded.calls().next().unwrap();
    assert_eq!((shown.attempts, shown.failure.unwrap().reason), (0, Reason::ToolGone));
    // Whoever takes it over looks at once, and only once.
    let actions = hand.live();
    assert_eq!(look(&actions, "s"), Some(Look::Again));
    let actions = hand.prepared(&actions[0]);
    hand.succeeded(&actions[0]);
    assert_eq!(hand.task.step_view(&id("s")).unwrap().attempts, 1);
}

#[test]
fn looks_grow_apart_and_leave_no_events() {
    let mut plan = spec(vec![step("s", call("send"), &[])]);
    let TaskBody::Plan(body) = &mut plan.body;
    body.steps[0].timeout = Some(Duration::from_secs(3_600));
    let (mut hand, _) = ByHand::new(plan);
    gone(&mut hand, "s");
    let written = hand.journal.len();
    let mut distances = Vec::new();
    for _ in 0..8 {
        let at = hand.task.next_wake().unwrap();
        distances.push(at.since(hand.now).as_secs());
        hand.now = at;
        assert_eq!(look(&hand.feed(Input::Tick), "s"), Some(Look::Again));
        gone(&mut hand, "s");
    }
    assert_eq!(distances, [5, 5, 10, 20, 40, 60, 60, 60]);
    assert_eq!(hand.journal.len(), written);
}

#[test]
fn a_change_of_the_directory_is_looked_at_at_once() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    assert!(hand.feed(Input::ToolsChanged).is_empty(), "it is being prepared");
    gone(&mut hand, "s");
    assert_eq!(look(&hand.feed(Input::ToolsChanged), "s"), Some(Look::Again));
    gone(&mut hand, "s");
    assert_eq!(look(&hand.message(1, Message::ToolsChanged), "s"), Some(Look::Again));
}

#[test]
fn a_wait_ends_with_the_step_s_time_and_says_what_was_missing() {
    let mut sim = with_faults(trip(), &[("charge", EVERY, Fault::Absent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    let failure = sim.task.summary().failure.unwrap();
    assert_eq!((failure.class, failure.reason), (Class::Unavailable, Reason::ToolGone));
    assert_eq!(failure.effect, Effect::NotExecuted);
    assert!(failure.message.contains("no live worker hosts put"), "{}", failure.message);
    assert_eq!(sim.world.count("flight~undo"), 1);
    assert!(sim.journal.len() < 30, "{:?}", sim.kinds());
}

#[test]
fn what_has_a_fallback_or_may_be_missing_does_not_wait() {
    let absent = &[("s", EVERY, Fault::Absent)];
    let mut sim = with_faults(spec(vec![optional(step("s", call("send"), &[]))]), absent);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.summary().report.missing[0].step, id("s"));
    let plan = spec(vec![with_value(with_fallback(step("s", call("send"), &[]), "put"), json!(1))]);
    let mut sim = with_faults(plan, absent);
    assert_eq!(sim.run(), Some(TaskOutcome::Degraded));
    assert_eq!(sim.task.step_view(&id("s")).unwrap().source, Some(ResultSource::Fallback));
    assert!(!sim.kinds().contains(&"call_waits"), "{:?}", sim.kinds());
    assert!(sim.now < START.after(Duration::from_secs(10)));
}

#[test]
fn an_undo_waits_for_its_tool_and_leaves_the_others_time() {
    let faults = [("hotel", 1, Fault::Permanent), ("charge~undo", EVERY, Fault::Absent)];
    let mut sim = with_faults(trip(), &faults);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let stands = sim.task.summary().report.stands;
    assert_eq!(stands.iter().map(|standing| standing.call.to_string()).collect::<Vec<_>>(), ["charge"]);
    assert!(stands[0].why.contains("TOOL_GONE"), "{}", stands[0].why);
    assert_eq!(sim.world.count("flight~undo"), 1);
    assert!(sim.now >= START.after(Duration::from_secs(300)));
}

#[test]
fn a_cancel_ends_a_wait() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    gone(&mut hand, "s");
    hand.message(1, Message::Cancel { on_cancel: None, reason: String::new() });
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Cancelled));
    let folded = holdfast_engine::Task::fold(hand.task.id(), &hand.journal).unwrap();
    assert_eq!(folded.summary(), hand.task.summary());
}

fn held_back(hand: &mut ByHand, call: &str, wait: Duration) -> Vec<Action> {
    let failure =
        Failure::new(Class::RateLimited, Effect::NotExecuted, Reason::RateLimited, "tools is rate limited");
    let failure = Failure { retry_after: Some(wait), ..failure };
    hand.feed(Input::PrepareFailed { call: call.parse().unwrap(), failure })
}

#[test]
fn a_call_that_is_held_back_waits_as_a_row_and_no_life_comes_before_its_time() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    assert!(held_back(&mut hand, "s", Duration::from_secs(30)).is_empty());
    let until = START.after(Duration::from_secs(30));
    let summary = hand.task.summary();
    assert_eq!((summary.status, summary.waits_for), (TaskStatus::Waiting, Some(WaitReason::Backoff)));
    assert!(hand.task.is_idle() && !hand.task.waits_for_tools());
    assert_eq!(hand.task.next_wake(), Some(until));
    // Workers that come change nothing, nor does another driver.
    assert!(hand.feed(Input::ToolsChanged).is_empty());
    assert!(hand.live().is_empty());
    assert_eq!(hand.task.next_wake(), Some(until));
    hand.now = until;
    let actions = hand.feed(Input::Tick);
    assert_eq!(look(&actions, "s"), Some(Look::First));
    // Its turn has not come: that is written down too, since another life has to know it.
    held_back(&mut hand, "s", Duration::from_secs(5));
    assert!(hand.live().is_empty());
    hand.now = until.after(Duration::from_secs(5));
    let actions = hand.feed(Input::Tick);
    let actions = hand.prepared(&actions[0]);
    hand.succeeded(&actions[0]);
    let step = hand.task.step_view(&id("s")).unwrap();
    assert_eq!((step.status, step.attempts), (StepStatus::Succeeded, 1));
}

#[test]
fn what_would_be_held_back_beyond_its_time_fails_at_once_and_names_the_rate_limit() {
    let plan = || {
        let mut plan = spec(vec![optional(step("s", call("send"), &[]))]);
        let TaskBody::Plan(body) = &mut plan.body;
        body.steps[0].timeout = Some(Duration::from_secs(20));
        plan
    };
    let (mut hand, _) = ByHand::new(plan());
    held_back(&mut hand, "s", Duration::from_secs(90));
    let step = hand.task.step_view(&id("s")).unwrap();
    assert_eq!((step.status, hand.now), (StepStatus::Failed, START));
    let failure = hand.task.summary().report.missing[0].failure.clone().unwrap();
    assert_eq!((failure.class, failure.reason), (Class::RateLimited, Reason::RateLimited));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(90)));
    // One that is held back again and again ends with the step's time, and says why.
    let (mut hand, _) = ByHand::new(plan());
    held_back(&mut hand, "s", Duration::from_secs(15));
    hand.now = START.after(Duration::from_secs(20));
    hand.feed(Input::Tick);
    let failure = hand.task.summary().report.missing[0].failure.clone().unwrap();
    assert_eq!((failure.class, failure.reason), (Class::RateLimited, Reason::RateLimited));
}

#[test]
fn a_cancel_ends_a_call_that_is_held_back_at_once() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    held_back(&mut hand, "s", Duration::from_secs(60));
    hand.message(1, Message::Cancel { on_cancel: None, reason: String::new() });
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Cancelled));
}
