//! Undoing on command, in part, again, and by hand (DESIGN section 5, PROTOCOL 8 and 14).

use holdfast_engine::{Event, Task, decode};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::plan::{OnEnd, Quorum, Rest};
use holdfast_types::{CallId, Key, Payload, TaskOutcome};

use crate::plans::{call, group, id, spec, step, tool};
use crate::scenarios::{trip, with_faults};
use crate::sim::{Crash, Sim};
use crate::world::{EVERY, Fault};

fn compensate(from: Option<&str>) -> Message {
    Message::Compensate { from: from.map(id), reason: "as the test says".to_owned() }
}

fn word(call: &str, resolution: Resolution) -> Message {
    Message::ResolveOutcome { call: call.parse().unwrap(), resolution, reason: "looked".to_owned() }
}

fn happened() -> Resolution {
    Resolution::Happened { result: Payload::null() }
}

fn finished() -> Sim {
    let mut sim = Sim::new(trip());
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    sim
}

fn told(sim: &mut Sim, message: Message) -> Option<TaskOutcome> {
    sim.send(message);
    let outcome = sim.run();
    let folded = Task::fold(sim.task.id(), &sim.journal).unwrap();
    assert_eq!(folded.summary(), sim.task.summary(), "the journal says the same");
    outcome
}

fn undos(sim: &Sim) -> Vec<String> {
    let undos = sim.world.effects.iter().map(ToString::to_string);
    undos.filter(|call| call.contains("~undo")).collect()
}

/// Why the last message was refused; empty: it was not.
fn refusal(sim: &Sim) -> String {
    let row = sim.journal.iter().rfind(|row| row.kind == "message_handled").unwrap();
    let Event::MessageHandled(handled) = decode(row).unwrap() else { panic!("{row:?}") };
    match handled.handling {
        holdfast_engine::event::Handling::Accepted => String::new(),
        holdfast_engine::event::Handling::Refused { why } => why,
    }
}

#[test]
fn from_a_step_on_is_that_step_and_all_that_depends_on_it() {
    let mut sim = finished();
    assert_eq!(told(&mut sim, compensate(Some("charge"))), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["hotel~undo", "charge~undo"]);
    let report = sim.task.summary().report;
    let stands: Vec<_> = report.stands.iter().map(|s| format!("{}: {}", s.call, s.why)).collect();
    assert_eq!(stands, ["flight: only 'charge' and what depends on it was to be undone"]);
    // Then the rest, and what is undone is not undone again.
    assert_eq!(told(&mut sim, compensate(None)), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["hotel~undo", "charge~undo", "flight~undo"]);
    assert!(sim.task.summary().report.stands.is_empty());
}

#[test]
fn what_no_dependency_puts_after_a_step_stands_though_it_ran_later() {
    let mut sim = Sim::new(spec(vec![
        step("a", call("pay"), &[]),
        step("b", call("pay"), &[]),
        step("after_a", call("pay"), &["a"]),
        step("after_b", call("pay"), &["b"]),
    ]));
    sim.run();
    assert_eq!(told(&mut sim, compensate(Some("a"))), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["after_a~undo", "a~undo"]);
}

#[test]
fn from_a_group_on_is_all_of_its_members_and_from_a_member_on_what_follows_the_group() {
    let members = || ["one", "two"].map(|name| step(name, call("put"), &[])).to_vec();
    let plan = || {
        let mut steps = group("both", members(), Quorum::AtLeast(2), Rest::Wait);
        steps.push(step("after", call("pay"), &["both"]));
        spec(steps)
    };
    let mut sim = Sim::new(plan());
    sim.run();
    told(&mut sim, compensate(Some("both")));
    assert_eq!(undos(&sim).len(), 3, "{:?}", undos(&sim));
    let mut sim = Sim::new(plan());
    sim.run();
    told(&mut sim, compensate(Some("one")));
    assert_eq!(undos(&sim), ["after~undo", "one~undo"]);
}

#[test]
fn asked_twice_it_runs_once_and_the_second_is_told_so() {
    let mut sim = finished();
    sim.send(compensate(None));
    // The last one that is sent is read first.
    sim.send(compensate(None));
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["hotel~undo", "charge~undo", "flight~undo"]);
    assert!(refusal(&sim).contains("being undone already"), "{}", refusal(&sim));
    assert_eq!(told(&mut sim, compensate(None)), Some(TaskOutcome::Compensated));
    assert!(refusal(&sim).contains("nothing left to undo"), "{}", refusal(&sim));
    assert_eq!(undos(&sim).len(), 3);
}

#[test]
fn a_step_that_is_not_there_and_a_task_that_is_not_over_are_refused() {
    let mut sim = finished();
    assert_eq!(told(&mut sim, compensate(Some("nowhere"))), Some(TaskOutcome::Succeeded));
    assert!(refusal(&sim).contains("no step 'nowhere'"));
    let mut sim = Sim::new(trip());
    sim.send(compensate(None));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert!(refusal(&sim).contains("cancel it instead"));
    assert!(undos(&sim).is_empty());
}

#[test]
fn a_failed_task_that_kept_what_it_did_can_be_undone_later_and_keeps_its_failure() {
    let mut plan = trip();
    let holdfast_types::task::TaskBody::Plan(body) = &mut plan.body;
    body.on_failure = OnEnd::Keep;
    let mut sim = with_faults(plan, &[("hotel", 1, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert_eq!(told(&mut sim, compensate(None)), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["charge~undo", "flight~undo"]);
    assert!(sim.task.summary().failure.is_some(), "why it failed is not forgotten");
}

#[test]
fn a_cancel_in_the_middle_of_the_undos_stops_none_of_them() {
    let mut sim = finished();
    sim.hear(compensate(None));
    while undos(&sim).is_empty() {
        sim.perform_next();
    }
    let cancel = Message::Cancel { on_cancel: Some(OnEnd::Keep), reason: String::new() };
    assert_eq!(told(&mut sim, cancel), Some(TaskOutcome::Compensated));
    assert!(refusal(&sim).contains("ending already"), "{}", refusal(&sim));
    assert_eq!(undos(&sim), ["hotel~undo", "charge~undo", "flight~undo"]);
}

#[test]
fn an_undo_whose_outcome_is_not_known_is_sent_again_under_its_key_and_only_then_listed() {
    let mut sim =
        with_faults(trip(), &[("hotel", 1, Fault::Permanent), ("charge~undo", EVERY, Fault::Ambiguous)]);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let mut keys: Vec<Key> = Vec::new();
    for row in &sim.journal {
        if let Event::AttemptStarted(started) = decode(row).unwrap()
            && started.call.to_string() == "charge~undo"
        {
            keys.push(started.key);
        }
    }
    assert!(keys.len() > 1, "{}", keys.len());
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "under one key");
    assert_eq!(sim.world.count("charge~undo"), 1, "which the tool honours");
    let standing = sim.task.summary().report.stands.remove(0);
    assert_eq!(standing.undo.unwrap().attempts as usize, keys.len());
}

#[test]
fn the_undo_that_was_recorded_runs_whatever_the_tools_say_by_now() {
    let mut sim = with_faults(trip(), &[("hotel", 1, Fault::Ambiguous)]);
    assert_eq!(sim.run(), None);
    // Another release of the tools names another undo.
    let first = &mut sim.journal[0];
    assert!(first.body.contains(r#""undo":{"tool":"unpay""#), "{}", first.body);
    first.body = first.body.replace(r#""undo":{"tool":"unpay""#, r#""undo":{"tool":"unput""#);
    sim.crash_now();
    assert_eq!(told(&mut sim, word("hotel", Resolution::DidNotHappen)), Some(TaskOutcome::Compensated));
    let undo: CallId = "flight~undo".parse().unwrap();
    assert_eq!(sim.task.calls().find(|view| view.call == undo).unwrap().tool, tool("unpay"));
}

#[test]
fn undos_that_failed_are_tried_again_and_the_others_are_not() {
    let mut sim = with_faults(
        trip(),
        &[
            ("hotel", 1, Fault::Permanent),
            ("charge~undo", 1, Fault::Permanent),
            ("flight~undo", 1, Fault::Permanent),
        ],
    );
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let report = sim.task.summary().report;
    let failed: Vec<_> =
        report.stands.into_iter().map(|standing| standing.undo.unwrap().call.to_string()).collect();
    assert_eq!(failed, ["flight~undo", "charge~undo"]);
    // What was not asked for has failed all the same.
    assert_eq!(told(&mut sim, compensate(Some("charge"))), Some(TaskOutcome::CompensationFailed));
    assert_eq!(undos(&sim), ["charge~undo"]);
    assert_eq!(told(&mut sim, compensate(None)), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["charge~undo", "flight~undo"]);
    assert!(sim.task.summary().failure.is_some());
}

#[test]
fn an_undo_that_a_person_did_by_hand_is_done_and_frees_the_key() {
    let mut sim =
        with_faults(trip(), &[("hotel", 1, Fault::Permanent), ("charge~undo", EVERY, Fault::Permanent)]);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let charge = sim.task.key_of(&"charge".parse().unwrap()).unwrap().clone();
    assert!(sim.keys.contains_key(&charge), "a tombstone");
    assert_eq!(
        told(&mut sim, word("charge~undo", Resolution::DidNotHappen)),
        Some(TaskOutcome::CompensationFailed)
    );
    assert!(refusal(&sim).contains("by hand"), "{}", refusal(&sim));
    assert_eq!(told(&mut sim, word("charge~undo", happened())), Some(TaskOutcome::Compensated));
    assert_eq!(undos(&sim), ["flight~undo"]);
    assert!(!sim.keys.contains_key(&charge), "the next generation is free");
    // What was not in question before is not now.
    told(&mut sim, word("charge~undo", happened()));
    assert!(refusal(&sim).contains("already finished"), "{}", refusal(&sim));
}

#[test]
fn one_undo_runs_again_on_a_person_s_word() {
    let mut sim = with_faults(
        trip(),
        &[
            ("hotel", 1, Fault::Permanent),
            ("charge~undo", 1, Fault::Permanent),
            ("flight~undo", 1, Fault::Permanent),
        ],
    );
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    assert_eq!(
        told(&mut sim, word("flight~undo", Resolution::RunAgain)),
        Some(TaskOutcome::CompensationFailed)
    );
    assert_eq!(undos(&sim), ["flight~undo"]);
    assert_eq!(told(&mut sim, word("charge~undo", happened())), Some(TaskOutcome::Compensated));
}

#[test]
fn crashed_at_every_action_of_a_compensation_each_undo_runs_once() {
    let before = finished().performed;
    for nth in before..before + 24 {
        for crash in [Crash::Before(nth), Crash::After(nth)] {
            let mut sim = finished();
            sim.crash = crash;
            assert_eq!(told(&mut sim, compensate(None)), Some(TaskOutcome::Compensated), "{crash:?}");
            assert_eq!(undos(&sim), ["hotel~undo", "charge~undo", "flight~undo"], "{crash:?}");
        }
    }
}
