//! What is known of an effect is never forgotten, and never guessed (PROTOCOL 2, 5, 6, 11, 12).

use std::time::Duration;

use holdfast_engine::input::Fenced;
use holdfast_engine::{Action, Input};
use holdfast_types::inbox::Message;
use holdfast_types::key::{KeyOp, KeyRow, KeyState};
use holdfast_types::plan::{CallSpec, Template};
use holdfast_types::worker::{FenceAnswer, Success};
use holdfast_types::{Class, Effect, Payload, Reason, TaskOutcome};
use serde_json::json;

use crate::by_hand::{ByHand, prepare};
use crate::plans::{START, call, spec, step};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn keyed(tool: &str) -> CallSpec {
    CallSpec { key: Some(Template::Literal(json!("order-7"))), ..call(tool) }
}

fn executes(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Execute(_) | Action::Prepare(_)))
}

fn success() -> Success {
    Success { result: Payload::Json(json!(1)), replayed_downstream: false }
}

/// Time passes until the call is to be prepared again.
fn prepared_again(hand: &mut ByHand, mut actions: Vec<Action>, call: &str) -> Vec<Action> {
    while prepare(&actions, call).is_none() {
        hand.now = hand.now.max(hand.task.next_wake().expect("it is repeated"));
        actions = hand.feed(Input::Tick);
    }
    hand.prepared(&prepare(&actions, call).unwrap().clone())
}

#[test]
fn an_answer_that_a_proxy_lost_is_no_reason_to_repeat_an_unsafe_call() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    let actions = hand.prepared(&actions[0]);
    let actions = hand.failed(&actions[0], Class::Transient, Effect::Unknown);
    assert!(!executes(&actions), "{actions:?}");
    hand.now = hand.now.after(Duration::from_secs(600));
    let actions = hand.feed(Input::Tick);
    assert!(!executes(&actions), "{actions:?}");
    assert_eq!(hand.task.summary().questions.len(), 1, "a person is asked");
}

#[test]
fn a_later_refusal_does_not_lower_what_an_earlier_attempt_may_have_done() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", keyed("set"), &[])]));
    let actions = hand.prepared(&actions[0]);
    let actions = hand.failed(&actions[0], Class::Transient, Effect::Unknown);
    let again = prepared_again(&mut hand, actions, "s");
    hand.failed(&again[0], Class::Permanent, Effect::NotExecuted);
    let freed = hand.keys.iter().any(|change| matches!(change.op, KeyOp::GiveBack));
    assert!(!freed, "the first attempt may have run: {:?}", hand.keys);
    assert_ne!(hand.task.summary().outcome, Some(TaskOutcome::Succeeded));
}

#[test]
fn a_waiter_whose_time_is_over_fails_and_asks_nobody() {
    let mut waiting = step("s", keyed("pay"), &[]);
    waiting.timeout = Some(Duration::from_secs(5));
    let (mut hand, actions) = ByHand::new(spec(vec![waiting]));
    let actions = hand.prepared(&actions[0]);
    let (actions, row) = hand.refused(&actions[0], 1, 1);
    let Action::WaitKey { call, .. } = actions[0].clone() else { panic!("{actions:?}") };
    hand.now = hand.now.after(Duration::from_secs(6));
    hand.feed(Input::Tick);
    // The key is looked at once more, at the latest a lease later: its holder has left it in doubt.
    let row = KeyRow { state: KeyState::InDoubt, ..row };
    hand.feed(Input::KeyChanged { call, row: Some(Box::new(row)) });
    hand.feed(Input::Output(Ok(Payload::null())));
    let summary = hand.task.summary();
    assert!(summary.questions.is_empty(), "one question a key: its holder's");
    assert_eq!(summary.outcome, Some(TaskOutcome::Failed), "{summary:?}");
    assert_eq!(summary.failure.unwrap().effect, Effect::NotExecuted);
    let failed = hand.journal.iter().find(|row| row.kind == "call_failed").unwrap();
    assert!(failed.body.contains(Reason::KeyInDoubt.as_str()), "{}", failed.body);
}

#[test]
fn a_key_that_the_tool_has_forgotten_is_not_sent_again() {
    let mut plan = spec(vec![step("s", call("put"), &[])]);
    plan.deadline_at = START.after(30 * DAY);
    let (mut hand, actions) = ByHand::new(plan);
    let actions = hand.prepared(&actions[0]);
    assert!(matches!(actions[0], Action::Execute(_)));
    // Nobody drives it for two days; the tool knows a key for 23 hours.
    hand.now = hand.now.after(2 * DAY);
    let mut actions = hand.live();
    for _ in 0..10 {
        assert!(!executes(&actions), "it would be a second effect: {actions:?}");
        let Some(Action::Fence(fence)) = actions.iter().find(|action| matches!(action, Action::Fence(_)))
        else {
            break;
        };
        let (call, attempt) = (fence.call.clone(), fence.attempt);
        actions = hand.feed(Input::Fenced { call, attempt, answer: Fenced::NotAfterPassed });
    }
    assert!(!executes(&actions), "{actions:?}");
    assert_eq!(hand.task.summary().questions.len(), 1, "{:?}", hand.task.summary());
}

#[test]
fn a_result_that_comes_after_the_cancel_is_recorded_and_undone() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    let running = hand.prepared(&actions[0]);
    hand.message(1, Message::Cancel { on_cancel: None, reason: String::new() });
    assert!(!hand.task.is_finished(), "an open call is settled first");
    let actions = hand.succeeded(&running[0]);
    let undo = prepare(&actions, "s~undo").expect("what was done is undone").clone();
    let actions = hand.prepared(&undo);
    hand.succeeded(&actions[0]);
    let summary = hand.task.summary();
    assert_eq!(summary.report.undone.len(), 1);
    assert!(summary.report.unknown.is_empty());
}

#[test]
fn a_call_that_ended_while_nobody_drove_is_settled_before_the_deadline_is_judged() {
    let mut plan = spec(vec![step("s", call("send"), &[])]);
    plan.deadline_at = START.after(Duration::from_secs(3600));
    let (mut hand, actions) = ByHand::new(plan);
    hand.prepared(&actions[0]);
    hand.now = START.after(Duration::from_secs(7200));
    let actions = hand.live();
    let Some(Action::Fence(fence)) = actions.iter().find(|action| matches!(action, Action::Fence(_))) else {
        panic!("the worker is asked first: {actions:?}")
    };
    assert!(!hand.task.is_finished());
    let (call, attempt) = (fence.call.clone(), fence.attempt);
    let answer = Fenced::Answer(FenceAnswer::Finished(Ok(success())));
    let actions = hand.feed(Input::Fenced { call, attempt, answer });
    assert!(matches!(actions[0], Action::Output { .. }), "the payment is no failure: {actions:?}");
    hand.feed(Input::Output(Ok(Payload::null())));
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Succeeded));
}

#[test]
fn a_second_success_is_evidence_and_changes_no_result() {
    let plan = vec![step("s", call("put"), &[]), step("r", call("send"), &["s"])];
    let (mut hand, actions) = ByHand::new(spec(plan));
    let first = hand.prepared(&actions[0]);
    let actions = hand.failed(&first[0], Class::Ambiguous, Effect::Unknown);
    let second = prepared_again(&mut hand, actions, "s");
    hand.succeeded(&second[0]);
    let before = hand.journal.len();
    let call = "s".parse().unwrap();
    let late = Success { result: Payload::Json(json!("late")), replayed_downstream: false };
    hand.feed(Input::AttemptEnded { call, attempt: 1, outcome: Ok(late) });
    let kinds: Vec<_> = hand.journal[before..].iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["late_outcome"]);
}
