//! The idempotency service forbids an attempt whose intent is durable (PROTOCOL 13): one test an answer.

use std::time::Duration;

use holdfast_engine::{Action, Input, Task};
use holdfast_types::inbox::Message;
use holdfast_types::key::{Holder, KeyOp, KeyRow, KeyState};
use holdfast_types::plan::{CallSpec, Template};
use holdfast_types::task::TaskSpec;
use holdfast_types::{Class, Effect, Failure, Payload, Reason, TaskOutcome};
use serde_json::json;

use crate::by_hand::{ByHand, prepare};
use crate::plans::{START, call, spec, step};

fn keyed(tool: &str) -> CallSpec {
    let mut spec = call(tool);
    spec.key = Some(Template::Literal(json!("order-7")));
    spec
}

fn plan() -> TaskSpec {
    spec(vec![step("s", keyed("send"), &[]), step("r", call("read"), &["s"])])
}

/// A task whose first intent is durable, and its attempt.
fn intended(spec: TaskSpec) -> (ByHand, Action) {
    let (mut hand, actions) = ByHand::new(spec);
    let mut actions = hand.prepared(&prepare(&actions, "s").unwrap().clone());
    assert!(matches!(actions[0], Action::Execute(_)), "{actions:?}");
    (hand, actions.remove(0))
}

fn other() -> Holder {
    Holder::Foreign("somebody".to_owned())
}

fn own(hand: &ByHand) -> Holder {
    Holder::Call { task: hand.task.id(), call: "s".parse().unwrap() }
}

/// What the service says of the key that the last intent has claimed.
fn told(hand: &ByHand, holder: Holder, state: KeyState) -> KeyRow {
    let claim = hand.keys.iter().rev().find(|change| matches!(change.op, KeyOp::Claim { .. }));
    let claim = claim.expect("the intent claims its key");
    let KeyOp::Claim { fingerprint } = &claim.op else { unreachable!() };
    KeyRow {
        key: claim.key.clone(),
        generation: claim.generation,
        holder,
        epoch: 0,
        token: 1,
        attempts: 1,
        fingerprint: fingerprint.clone(),
        state,
        lease_until: None,
        since: START,
        changed_at: START,
        keep_until: None,
        answered: 0,
    }
}

fn withhold(hand: &mut ByHand, action: &Action, row: KeyRow) -> Vec<Action> {
    let Action::Execute(execute) = action else { panic!("{action:?}") };
    let withheld =
        Input::Withheld { call: execute.call.clone(), attempt: execute.attempt, row: Box::new(row) };
    let actions = hand.feed(withheld.clone());
    let events = hand.journal.len();
    assert!(hand.feed(withheld).is_empty(), "told again, it changes nothing");
    assert_eq!(hand.journal.len(), events);
    actions
}

fn ops(hand: &ByHand) -> Vec<&'static str> {
    let name = |op: &KeyOp| match op {
        KeyOp::Claim { .. } => "claim",
        KeyOp::GiveBack => "give back",
        KeyOp::Done { .. } => "done",
        KeyOp::FailedFinal { .. } => "failed",
        KeyOp::InDoubt => "in doubt",
        KeyOp::Tombstone | KeyOp::TombstoneShared => "tombstone",
        KeyOp::NextGeneration => "next",
        KeyOp::Answered { .. } => "answered",
    };
    hand.keys.iter().map(|change| name(&change.op)).collect()
}

fn last_kinds(hand: &ByHand, count: usize) -> Vec<&str> {
    hand.journal[hand.journal.len() - count..].iter().map(|row| row.kind.as_str()).collect()
}

fn folds(hand: &ByHand) {
    let folded = Task::fold(hand.task.id(), &hand.journal).unwrap();
    assert_eq!(format!("{:?}", folded.summary()), format!("{:?}", hand.task.summary()));
}

fn cancel() -> Message {
    Message::Cancel { on_cancel: None, reason: String::new() }
}

#[test]
fn a_recorded_result_answers_settles_the_claim_and_registers_no_undo() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, other(), KeyState::Done { result: Payload::Json(json!("paid")) });
    let actions = withhold(&mut hand, &action, row);
    assert_eq!(last_kinds(&hand, 2), ["attempt_not_started", "call_replayed"]);
    assert_eq!(ops(&hand), ["claim", "done"], "the claim is not free for a moment");
    assert!(prepare(&actions, "r").is_some(), "its consequences follow: {actions:?}");
    let actions = hand.message(1, cancel());
    assert!(prepare(&actions, "s~undo").is_none(), "{actions:?}");
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Cancelled));
    assert_eq!(hand.task.summary().report.replays, 1);
    folds(&hand);
}

#[test]
fn a_recorded_failure_is_replayed_as_one() {
    let (mut hand, action) = intended(plan());
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::ToolError, "no such card");
    let row = told(&hand, other(), KeyState::FailedFinal { failure: failure.clone() });
    withhold(&mut hand, &action, row);
    assert_eq!(ops(&hand), ["claim", "failed"]);
    assert_eq!(hand.task.summary().failure.map(|failure| failure.message), Some(failure.message));
    folds(&hand);
}

#[test]
fn this_call_s_own_recorded_result_is_its_own_deed_and_is_undone() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, own(&hand), KeyState::Done { result: Payload::Json(json!("paid")) });
    withhold(&mut hand, &action, row);
    assert_eq!(last_kinds(&hand, 2), ["attempt_not_started", "probed"]);
    assert_eq!(ops(&hand), ["claim", "done"]);
    let actions = hand.message(1, cancel());
    assert!(prepare(&actions, "s~undo").is_some(), "{actions:?}");
    folds(&hand);
}

#[test]
fn another_holder_is_waited_for_with_the_claim_given_back() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, other(), KeyState::Open);
    let actions = withhold(&mut hand, &action, row.clone());
    assert_eq!(last_kinds(&hand, 1), ["attempt_not_started"]);
    assert_eq!(ops(&hand), ["claim", "give back"]);
    let Action::WaitKey { call, key } = &actions[0] else { panic!("{actions:?}") };
    assert_eq!((actions.len(), key), (1, &row.key));
    // Still held: it is waited for again, and nothing is written.
    let (call, events) = (call.clone(), hand.journal.len());
    let again = hand.feed(Input::KeyChanged { call: call.clone(), row: Some(Box::new(row)) });
    assert!(matches!(again[0], Action::WaitKey { .. }), "{again:?}");
    assert_eq!(hand.journal.len(), events);
    let actions = hand.feed(Input::KeyChanged { call, row: None });
    let actions = hand.prepared(&prepare(&actions, "s").expect("it is free").clone());
    let Action::Execute(execute) = &actions[0] else { panic!("{actions:?}") };
    assert_eq!((execute.attempt, ops(&hand).last()), (2, Some(&"claim")));
    hand.succeeded(&actions[0]);
    assert_eq!(ops(&hand), ["claim", "give back", "claim", "done"]);
    folds(&hand);
}

#[test]
fn what_the_other_holder_has_recorded_meanwhile_answers() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, other(), KeyState::InDoubt);
    withhold(&mut hand, &action, row.clone());
    let done = KeyRow { state: KeyState::Done { result: Payload::Json(json!("paid")) }, ..row.clone() };
    hand.feed(Input::KeyChanged { call: "s".parse().unwrap(), row: Some(Box::new(done)) });
    assert_eq!(ops(&hand), ["claim", "give back", "answered"]);
    assert_eq!(hand.task.summary().report.replays, 1);

    let (mut hand, action) = intended(plan());
    withhold(&mut hand, &action, row.clone());
    let odd = KeyRow { fingerprint: "other".to_owned(), ..row };
    hand.feed(Input::KeyChanged { call: "s".parse().unwrap(), row: Some(Box::new(odd)) });
    assert_eq!(hand.task.summary().failure.map(|failure| failure.reason), Some(Reason::KeyMismatch));
}

#[test]
fn a_holder_that_never_ends_fails_the_call_at_its_step_s_end() {
    let (mut hand, action) = intended(plan());
    hand.now = hand.now.after(Duration::from_secs(601));
    let row = told(&hand, other(), KeyState::InDoubt);
    withhold(&mut hand, &action, row);
    let failure = hand.task.summary().failure.expect("it failed");
    assert_eq!((failure.reason, failure.effect), (Reason::KeyInDoubt, Effect::NotExecuted));
    assert_eq!(ops(&hand), ["claim", "give back"]);
    folds(&hand);
}

#[test]
fn other_arguments_and_a_tombstone_fail_the_call_and_give_the_claim_back() {
    for (mismatch, reason) in [(true, Reason::KeyMismatch), (false, Reason::KeyTombstone)] {
        let (mut hand, action) = intended(plan());
        let mut row = told(&hand, other(), KeyState::Tombstone);
        if mismatch {
            row.fingerprint = "other".to_owned();
        }
        withhold(&mut hand, &action, row);
        assert_eq!(hand.task.summary().failure.map(|failure| failure.reason), Some(reason));
        assert_eq!(ops(&hand), ["claim", "give back"]);
        folds(&hand);
    }
}

#[test]
fn a_task_that_is_cancelled_while_it_waits_ends_and_folds_alike() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, other(), KeyState::Open);
    withhold(&mut hand, &action, row);
    hand.message(1, cancel());
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Cancelled));
    folds(&hand);
}

#[test]
fn the_next_life_asks_again_after_the_proof_and_after_a_snapshot() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, other(), KeyState::Open);
    withhold(&mut hand, &action, row);
    let snapshot = hand.task.snapshot(hand.journal.len() as u64).unwrap();
    let actions = hand.live();
    assert!(prepare(&actions, "s").is_some(), "no fence: {actions:?}");
    hand.task = Task::restore(hand.task.id(), &hand.journal[0], &snapshot, &[]).unwrap().unwrap();
    let actions = hand.begin();
    assert!(prepare(&actions, "s").is_some(), "{actions:?}");
}

#[test]
fn what_was_done_and_undone_meanwhile_is_claimed_in_its_next_generation() {
    let (mut hand, action) = intended(plan());
    let row = told(&hand, other(), KeyState::Open);
    withhold(&mut hand, &action, row.clone());
    let free = KeyRow { generation: 2, attempts: 0, ..row };
    let actions = hand.feed(Input::KeyChanged { call: "s".parse().unwrap(), row: Some(Box::new(free)) });
    let actions = hand.prepared(&prepare(&actions, "s").expect("it is free").clone());
    assert_eq!(hand.keys.last().map(|change| change.generation), Some(2));
    let Action::Execute(execute) = &actions[0] else { panic!("{actions:?}") };
    assert!(execute.key.as_str().ends_with("#2"), "the tool must not take it for the first");
    hand.succeeded(&actions[0]);
    assert_eq!(hand.keys.last().map(|change| change.generation), Some(2));
    folds(&hand);
}
