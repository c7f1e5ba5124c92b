//! The undo of a call of which nobody knows whether it happened (PROTOCOL 8).

use std::time::Duration;

use holdfast_engine::action::PrepareArgs;
use holdfast_engine::{Action, Task};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::key::KeyOp;
use holdfast_types::{Class, Effect, Payload, TaskOutcome};
use serde_json::json;

use crate::by_hand::{ByHand, prepare};
use crate::plans::{call, spec, step};
use crate::scenarios::{trip, with_faults};
use crate::world::{EVERY, Fault};

/// A task whose only step ran out of attempts without a known outcome, and what it asks for then.
fn unsettled(tool: &str) -> (ByHand, Vec<Action>) {
    let (mut hand, mut actions) = ByHand::new(spec(vec![step("s", call(tool), &[])]));
    while !hand.journal.iter().any(|row| row.kind == "verdict_reached") {
        let next = actions.iter().find(|a| matches!(a, Action::Prepare(_) | Action::Execute(_))).cloned();
        actions = match next {
            Some(action @ Action::Prepare(_)) => hand.prepared(&action),
            Some(action) => hand.failed(&action, Class::Transient, Effect::Unknown),
            None => {
                hand.now = hand.now.max(hand.task.next_wake().unwrap());
                hand.feed(holdfast_engine::Input::Tick)
            }
        };
    }
    (hand, actions)
}

fn word(resolution: Resolution) -> Message {
    Message::ResolveOutcome { call: "s".parse().unwrap(), resolution, reason: String::new() }
}

fn undo_result(actions: &[Action]) -> Payload {
    match prepare(actions, "s~undo") {
        Some(Action::Prepare(prepare)) => match &prepare.args {
            PrepareArgs::Undo { result, .. } => result.clone(),
            other => panic!("{other:?}"),
        },
        _ => panic!("no undo: {actions:?}"),
    }
}

#[test]
fn an_unsettled_idempotent_call_is_sent_again_under_its_key_and_its_undo_has_the_result() {
    for tool in ["put", "set"] {
        let (mut hand, actions) = unsettled(tool);
        assert!(prepare(&actions, "s~undo").is_none(), "nothing is undone yet: {actions:?}");
        let ops: Vec<_> = hand.keys.iter().map(|change| change.op.clone()).collect();
        assert_eq!(ops.last(), Some(&KeyOp::Tombstone), "{ops:?}");
        let first = hand.keys[0].key.clone();
        hand.keys.clear();
        let actions = hand.prepared(&prepare(&actions, "s").expect("it is sent again").clone());
        let Action::Execute(again) = &actions[0] else { panic!("{actions:?}") };
        assert_eq!(again.key, first);
        assert!(hand.keys.is_empty(), "it stands under its own tombstone: {:?}", hand.keys);
        let actions = hand.succeeded(&actions[0]);
        assert_eq!(undo_result(&actions), Payload::Json(json!(1)));
        let actions = hand.prepared(&prepare(&actions, "s~undo").unwrap().clone());
        hand.succeeded(&actions[0]);
        assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Compensated));
        assert!(hand.task.summary().report.unknown.is_empty());
        let folded = Task::fold(hand.task.id(), &hand.journal).unwrap();
        assert_eq!(folded.summary(), hand.task.summary());
    }
}

#[test]
fn a_call_that_stays_unsettled_goes_to_a_person_whose_word_gives_the_undo_its_arguments() {
    let happened = Resolution::Happened { result: Payload::Json(json!("r-7")) };
    for resolution in [happened, Resolution::DidNotHappen, Resolution::RunAgain] {
        let (mut hand, mut actions) = unsettled("put");
        while hand.task.summary().questions.is_empty() {
            let next = actions.iter().find(|a| matches!(a, Action::Prepare(_) | Action::Execute(_))).cloned();
            actions = match next {
                Some(action @ Action::Prepare(_)) => hand.prepared(&action),
                Some(action) => hand.failed(&action, Class::Transient, Effect::Unknown),
                None => {
                    hand.now = hand.now.max(hand.task.next_wake().unwrap());
                    hand.feed(holdfast_engine::Input::Tick)
                }
            };
            assert!(prepare(&actions, "s~undo").is_none(), "{actions:?}");
        }
        hand.keys.clear();
        let actions = hand.message(1, word(resolution.clone()));
        if let Resolution::Happened { result } = resolution {
            assert_eq!(undo_result(&actions), result);
            continue;
        }
        let ops: Vec<_> = hand.keys.iter().map(|change| &change.op).collect();
        assert_eq!(ops, [&KeyOp::NextGeneration], "it never happened: the tombstone gives way");
        assert!(prepare(&actions, "s").is_none(), "nothing new starts: {actions:?}");
        assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Failed));
    }
}

#[test]
fn a_tool_that_has_forgotten_the_key_is_not_called_again_and_a_person_is_asked() {
    let mut plan = spec(vec![step("s", call("put"), &[]), step("r", call("read"), &[])]);
    for manifest in plan.manifests.iter_mut().filter(|manifest| manifest.name.as_str() == "put") {
        manifest.key.valid_for = Some(Duration::from_secs(60));
        manifest.retry.max_attempts = 1;
    }
    let (mut hand, actions) = ByHand::new(plan);
    let read = prepare(&actions, "r").unwrap().clone();
    let put = hand.prepared(&prepare(&actions, "s").unwrap().clone());
    let read = hand.prepared(&read);
    hand.failed(&put[0], Class::Transient, Effect::Unknown);
    hand.now = hand.now.after(Duration::from_secs(61));
    let actions = hand.succeeded(&read[0]);
    assert!(prepare(&actions, "s").is_none() && prepare(&actions, "s~undo").is_none(), "{actions:?}");
    assert_eq!(hand.task.summary().questions.len(), 1);
    let actions = hand.message(1, word(Resolution::Happened { result: Payload::Json(json!("r-7")) }));
    assert_eq!(undo_result(&actions), Payload::Json(json!("r-7")));
}

#[test]
fn other_undos_do_not_wait_for_one_that_is_being_settled() {
    let plan = spec(vec![
        step("flight", call("pay"), &[]),
        step("charge", call("put"), &[]),
        step("last", call("read"), &["flight"]),
    ]);
    let mut sim = with_faults(plan, &[("charge", EVERY, Fault::Ambiguous)]);
    assert_eq!(sim.run(), None, "a person is asked about the charge");
    assert_eq!(sim.world.count("flight~undo"), 1);
    assert_eq!(sim.world.count("charge~undo"), 0);
}

#[test]
fn what_nobody_settles_in_time_is_listed_as_unknown() {
    let mut sim = with_faults(trip(), &[("charge", EVERY, Fault::Ambiguous)]);
    assert_eq!(sim.run(), None);
    sim.now = sim.now.after(Duration::from_secs(601));
    sim.feed(holdfast_engine::Input::Tick);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    assert_eq!(sim.task.summary().report.unknown[0].to_string(), "charge");
    assert_eq!(sim.world.count("charge~undo"), 0);
}
