//! Orders of events that a first reading does not think of, each once a way to a wrong end.

use std::time::Duration;

use holdfast_engine::event::{Proceed, Quarantined};
use holdfast_engine::input::{EnteredStep, Fenced};
use holdfast_engine::{Action, Event, Grant, Input, Task};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::key::KeyOp;
use holdfast_types::plan::{CallSpec, Expr, Quorum, Rest, Template};
use holdfast_types::task::TaskSpec;
use holdfast_types::worker::{FenceAnswer, ProbeAnswer};
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect, TaskOutcome};
use serde_json::json;

use crate::by_hand::{ByHand, prepare};
use crate::plans::{START, call, fan_out, group, id, spec, step};

fn keyed(tool: &str) -> CallSpec {
    let mut spec = call(tool);
    spec.key = Some(Template::Literal(json!("order-7")));
    spec
}

fn cancel() -> Message {
    Message::Cancel { on_cancel: None, reason: String::new() }
}

fn quarantined() -> Event {
    Event::Quarantined(Quarantined { barren_lives: 3 })
}

fn word(call: &str, resolution: Resolution) -> Message {
    Message::ResolveOutcome { call: call.parse().unwrap(), resolution, reason: String::new() }
}

/// `unsend` can't be repeated.
fn with_unsafe_undo(mut spec: TaskSpec) -> TaskSpec {
    for manifest in spec.manifests.iter_mut().filter(|manifest| manifest.name.as_str() == "unsend") {
        manifest.side_effect = SideEffect::Unsafe;
        manifest.key.valid_for = None;
    }
    spec
}

/// A task whose only call, of this tool, is under way.
fn under_way(tool: &str) -> ByHand {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call(tool), &[])]));
    let actions = hand.prepared(&actions[0]);
    assert!(matches!(actions[0], Action::Execute(_)), "{actions:?}");
    hand
}

/// The connection to the only call's worker breaks.
fn lose(hand: &mut ByHand) -> Vec<Action> {
    let failure = Failure::new(Class::Transient, Effect::Unknown, Reason::ConnectionLost, "cut");
    hand.feed(Input::AttemptLost { call: "s".parse().unwrap(), attempt: 1, failure })
}

fn fenced(hand: &mut ByHand, actions: &[Action], answer: FenceAnswer) -> Vec<Action> {
    let [Action::Fence(fence)] = actions else { panic!("the worker is asked first: {actions:?}") };
    let (call, attempt) = (fence.call.clone(), fence.attempt);
    hand.feed(Input::Fenced { call, attempt, answer: Fenced::Answer(answer) })
}

fn not_done(hand: &mut ByHand, actions: &[Action]) -> Vec<Action> {
    let [Action::Probe(probe)] = actions else { panic!("the tool is asked: {actions:?}") };
    hand.feed(Input::Probed { call: probe.call.clone(), answer: Ok(ProbeAnswer::NotDone) })
}

#[test]
fn a_write_without_a_key_is_closed_before_it_is_sent_again() {
    for orphan in [ByHand::live, lose] {
        // Landing late, it would overwrite what its consequences have written meanwhile.
        let mut hand = under_way("set");
        let actions = orphan(&mut hand);
        let actions = fenced(&mut hand, &actions, FenceAnswer::Interrupted);
        assert!(prepare(&actions, "s").is_some(), "{actions:?}");
        // A tool that honours a key tells the two apart.
        let mut hand = under_way("put");
        let actions = orphan(&mut hand);
        assert!(prepare(&actions, "s").is_some(), "{actions:?}");
    }
}

#[test]
fn a_probe_s_not_done_counts_only_when_nothing_can_be_under_way_any_more() {
    for orphan in [ByHand::live, lose] {
        let mut hand = under_way("pay");
        let actions = orphan(&mut hand);
        let actions = fenced(&mut hand, &actions, FenceAnswer::Interrupted);
        // What has left the worker may still be on its way inside the tool.
        let actions = not_done(&mut hand, &actions);
        assert!(actions.is_empty(), "{actions:?}");
        let settled = START.after(Duration::from_secs(2));
        assert_eq!(hand.task.next_wake(), Some(settled));
        hand.now = settled;
        let actions = hand.feed(Input::Tick);
        let actions = not_done(&mut hand, &actions);
        assert!(prepare(&actions, "s").is_some(), "{actions:?}");
    }
}

#[test]
fn what_no_worker_has_begun_is_sent_again_and_nobody_is_asked() {
    for answer in [FenceAnswer::NeverSeen, FenceAnswer::StoppedBeforeEffect] {
        for tool in ["pay", "send"] {
            let mut hand = under_way(tool);
            let actions = hand.live();
            let actions = fenced(&mut hand, &actions, answer.clone());
            assert!(prepare(&actions, "s").is_some(), "{actions:?}");
        }
    }
}

#[test]
fn a_resume_does_not_send_a_running_attempt_again() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    let actions = hand.prepared(&actions[0]);
    assert!(matches!(actions[0], Action::Execute(_)));
    hand.message(1, Message::Pause);
    let actions = hand.message(2, Message::Resume { note: None });
    assert!(actions.is_empty(), "{actions:?}");
}

#[test]
fn a_quarantine_does_not_forget_the_verdict() {
    let plan = vec![step("s", call("send"), &[]), step("r", call("read"), &["s"])];
    let (mut hand, actions) = ByHand::new(spec(plan));
    let actions = hand.prepared(&actions[0]);
    hand.succeeded(&actions[0]);
    let actions = hand.message(1, cancel());
    assert!(prepare(&actions, "s~undo").is_some(), "{actions:?}");
    hand.write(&quarantined());
    hand.live();
    let actions = hand.message(2, Message::Resume { note: None });
    assert!(prepare(&actions, "s~undo").is_some(), "{actions:?}");
    assert!(!actions.iter().any(|action| matches!(action, Action::Output { .. })));
}

#[test]
fn a_cancel_of_a_quarantined_task_ends_it() {
    let (mut hand, _) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
    hand.write(&quarantined());
    hand.live();
    hand.message(1, cancel());
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Cancelled));
}

#[test]
fn a_call_that_is_called_off_in_its_backoff_gives_its_key_back() {
    for (effect, wanted) in [(Effect::NotExecuted, "GiveBack"), (Effect::Unknown, "InDoubt")] {
        let (mut hand, actions) = ByHand::new(spec(vec![step("s", keyed("put"), &[])]));
        let actions = hand.prepared(&actions[0]);
        hand.failed(&actions[0], Class::Transient, effect);
        hand.keys.clear();
        hand.message(1, cancel());
        let ops = format!("{:?}", hand.keys.iter().map(|change| &change.op).collect::<Vec<_>>());
        assert!(ops.contains(wanted), "{ops}");
    }
}

#[test]
fn a_group_whose_condition_fails_fails_and_starts_no_member() {
    let members = vec![step("a", call("send"), &[]), step("b", call("send"), &[])];
    let mut steps = group("g", members, Quorum::ByImportance, Rest::Wait);
    steps[0].when = Some(Expr { source: "x".to_owned(), place: None });
    let (mut hand, actions) = ByHand::new(spec(steps));
    assert!(matches!(actions[0], Action::Enter(_)), "{actions:?}");
    let failure = Failure::new(Class::Semantic, Effect::NotExecuted, Reason::BadReference, "no x");
    hand.feed(Input::Entered { step: id("g"), result: Err(failure) });
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Failed));
}

#[test]
fn no_member_starts_after_its_group_s_time() {
    let members = vec![step("a", call("send"), &[]), step("b", call("send"), &["a"])];
    let mut steps = group("g", members, Quorum::ByImportance, Rest::Wait);
    steps[0].timeout = Some(Duration::from_secs(5));
    steps[0].when = Some(Expr { source: "x".to_owned(), place: None });
    let (mut hand, _) = ByHand::new(spec(steps));
    let entered = EnteredStep { proceed: Proceed::Run, items: None };
    let actions = hand.feed(Input::Entered { step: id("g"), result: Ok(entered) });
    let running = hand.prepared(&actions[0]);
    hand.now = hand.now.after(Duration::from_secs(6));
    hand.feed(Input::Tick);
    let actions = hand.succeeded(&running[0]);
    assert!(prepare(&actions, "b").is_none(), "{actions:?}");
    let undo = prepare(&actions, "a~undo").expect("a was done, and is undone").clone();
    let actions = hand.prepared(&undo);
    hand.succeeded(&actions[0]);
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Compensated));
}

#[test]
fn a_snapshot_of_a_call_that_waits_for_a_key_is_driven_on() {
    let plan = vec![step("s", keyed("pay"), &[]), step("r", call("read"), &[])];
    let (mut hand, actions) = ByHand::new(spec(plan));
    let actions = hand.prepared(&prepare(&actions, "s").unwrap().clone());
    let (actions, _) = hand.refused(&actions[0], 1, 1);
    assert!(matches!(actions[0], Action::WaitKey { .. }), "{actions:?}");
    let snapshot = hand.task.snapshot(hand.journal.len() as u64).unwrap();
    hand.task = Task::restore(hand.task.id(), &hand.journal[0], &snapshot, &[]).unwrap().unwrap();
    let actions = hand.begin();
    assert!(prepare(&actions, "s").is_some(), "{actions:?}");
}

#[test]
fn a_probe_that_nobody_answers_ends_with_a_person_and_without_a_growing_journal() {
    let mut plan = spec(vec![step("s", call("pay"), &[])]);
    plan.deadline_at = START.after(Duration::from_secs(60));
    let (mut hand, actions) = ByHand::new(plan);
    let actions = hand.prepared(&actions[0]);
    let mut actions = hand.failed(&actions[0], Class::Ambiguous, Effect::Unknown);
    let before = hand.journal.len();
    for _ in 0..1_000 {
        if hand.task.is_finished() || !hand.task.summary().questions.is_empty() {
            break;
        }
        let probe = actions.iter().find_map(|action| match action {
            Action::Probe(probe) => Some(probe.call.clone()),
            _ => None,
        });
        actions = match probe {
            Some(call) => {
                let gone = Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::ToolGone, "gone");
                hand.feed(Input::Probed { call, answer: Err(gone) })
            }
            None => {
                hand.now = hand.now.max(hand.task.next_wake().expect("something is waited for"));
                hand.feed(Input::Tick)
            }
        };
    }
    assert!(hand.now <= START.after(Duration::from_secs(120)), "{:?}", hand.now.since(START));
    assert!(hand.task.is_finished() || !hand.task.summary().questions.is_empty());
    assert!(hand.journal.len() <= before + 6, "{} events", hand.journal.len());
}

#[test]
fn an_undo_that_becomes_unknown_after_its_time_ends_the_task() {
    let plan = vec![step("s", call("send"), &[]), step("r", call("read"), &["s"])];
    let (mut hand, actions) = ByHand::new(with_unsafe_undo(spec(plan)));
    let actions = hand.prepared(&actions[0]);
    hand.succeeded(&actions[0]);
    let actions = hand.message(1, cancel());
    let running = hand.prepared(&prepare(&actions, "s~undo").unwrap().clone());
    hand.now = hand.now.after(Duration::from_secs(601));
    hand.feed(Input::Tick);
    hand.failed(&running[0], Class::Ambiguous, Effect::Unknown);
    let summary = hand.task.summary();
    assert_eq!(summary.outcome, Some(TaskOutcome::CompensationFailed));
    assert_eq!(summary.report.stands[0].call.to_string(), "s");
}

#[test]
fn a_deadline_that_passes_during_the_undos_does_not_stop_them() {
    let mut plan = spec(vec![step("s", call("send"), &[]), step("r", call("read"), &["s"])]);
    plan.deadline_at = START.after(Duration::from_secs(60));
    let (mut hand, actions) = ByHand::new(plan);
    let actions = hand.prepared(&actions[0]);
    let actions = hand.succeeded(&actions[0]);
    let actions = hand.prepared(&prepare(&actions, "r").unwrap().clone());
    let actions = hand.failed(&actions[0], Class::Permanent, Effect::NotExecuted);
    let undo = prepare(&actions, "s~undo").expect("what was done is undone").clone();
    hand.now = START.after(Duration::from_secs(61));
    let actions = hand.feed(Input::Tick);
    assert!(actions.is_empty(), "{actions:?}");
    let actions = hand.prepared(&undo);
    hand.succeeded(&actions[0]);
    assert_eq!(hand.task.summary().outcome, Some(TaskOutcome::Compensated));
}

#[test]
fn giving_up_after_a_pivot_does_not_free_a_key_that_may_have_been_used() {
    let plan = vec![step("f", call("fire"), &[]), step("s", keyed("set"), &["f"])];
    let (mut hand, actions) = ByHand::new(spec(plan));
    let actions = hand.prepared(&actions[0]);
    let mut actions = hand.succeeded(&actions[0]);
    while hand.task.summary().questions.is_empty() {
        let next = actions.iter().find(|a| matches!(a, Action::Prepare(_) | Action::Execute(_))).cloned();
        actions = match next {
            Some(action @ Action::Prepare(_)) => hand.prepared(&action),
            Some(action) => hand.failed(&action, Class::Transient, Effect::Unknown),
            None => {
                hand.now = hand.now.max(hand.task.next_wake().unwrap());
                hand.feed(Input::Tick)
            }
        };
    }
    hand.keys.clear();
    hand.message(1, word("s", Resolution::DidNotHappen));
    assert!(!hand.keys.iter().any(|change| matches!(change.op, KeyOp::GiveBack)), "{:?}", hand.keys);
    assert_eq!(hand.task.summary().report.unknown[0].to_string(), "s");
}

#[test]
fn a_person_may_take_longer_than_the_step_s_time() {
    let plan = vec![step("f", call("fire"), &[]), step("s", call("send"), &["f"])];
    let (mut hand, actions) = ByHand::new(spec(plan));
    let actions = hand.prepared(&actions[0]);
    let actions = hand.succeeded(&actions[0]);
    let actions = hand.prepared(&prepare(&actions, "s").unwrap().clone());
    hand.failed(&actions[0], Class::Permanent, Effect::NotExecuted);
    assert_eq!(hand.task.summary().questions.len(), 1);
    hand.now = hand.now.after(Duration::from_secs(3_600));
    hand.feed(Input::Tick);
    let actions = hand.message(1, word("s", Resolution::RunAgain));
    assert!(prepare(&actions, "s").is_some(), "{actions:?}");
}

#[test]
fn a_key_whose_deed_was_undone_is_claimed_in_its_next_generation() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", keyed("pay"), &[])]));
    let actions = hand.prepared(&actions[0]);
    // Undone by another task: the row is free, in generation 2.
    let (actions, row) = hand.refused(&actions[0], 2, 0);
    let actions = hand.prepared(&prepare(&actions, "s").expect("it goes on at once").clone());
    let claim = hand.keys.last().unwrap();
    assert_eq!((claim.generation, &claim.key), (2, &row.key));
    let Action::Execute(execute) = &actions[0] else { panic!("{actions:?}") };
    assert_eq!(execute.key.as_str(), format!("{}#2", row.key), "the tool must not take it for the first");
}

#[test]
fn a_wide_fan_out_is_undone_within_bounds() {
    let width = 1_500;
    let mut plan = vec![fan_out("all", call("send"), width, Quorum::ByImportance, &[])];
    plan.push(step("last", call("read"), &["all"]));
    let mut sim = crate::scenarios::with_faults(spec(plan), &[("last", 1, crate::world::Fault::Semantic)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.task.summary().report.undone.len(), width);
    assert!(sim.most_pending <= 250, "{} actions at once", sim.most_pending);
}

/// DESIGN section 6: the budget guards a dependency. An attempt that never reached a worker has cost it nothing.
#[test]
fn a_worker_that_can_not_be_dialled_is_not_paid_for_from_the_dependency_s_budget() {
    for (dialled, tried_again) in [(false, true), (true, false)] {
        let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("send"), &[])]));
        let sent = hand.prepared(&prepare(&actions, "s").unwrap().clone()).remove(0);
        hand.before.grant = Grant::Refused;
        if dialled {
            hand.failed(&sent, Class::Transient, Effect::NotExecuted);
        } else {
            hand.not_dialled(&sent);
        }
        let ended = hand.journal.iter().any(|row| row.kind == "finished" || row.kind == "verdict_reached");
        assert_eq!(!ended, tried_again, "dialled: {dialled}");
    }
}

#[test]
fn a_step_whose_time_ends_while_a_call_waits_for_a_key_says_whose_key() {
    let (mut hand, actions) = ByHand::new(spec(vec![step("s", call("pay"), &[])]));
    let actions = hand.prepared(&actions[0].clone());
    let (actions, row) = hand.refused(&actions[0], 1, 1);
    assert!(matches!(actions[..], [Action::WaitKey { .. }]), "{actions:?}");
    hand.now = hand.task.next_wake().unwrap();
    hand.feed(Input::Tick);
    let failed = hand.journal.iter().find(|row| row.kind == "step_failed").expect("its time is over");
    let Event::StepFailed(failed) = holdfast_engine::decode(failed).unwrap() else { panic!() };
    assert_eq!((failed.failure.class, failed.failure.reason), (Class::Unavailable, Reason::KeyInDoubt));
    assert!(failed.failure.message.contains("OPEN at client somebody"), "{}", failed.failure.message);
    hand.feed(Input::KeyChanged { call: "s".parse().unwrap(), row: Some(Box::new(row)) });
    assert_eq!(hand.task.summary().failure.map(|failure| failure.reason), Some(Reason::KeyInDoubt));
}
