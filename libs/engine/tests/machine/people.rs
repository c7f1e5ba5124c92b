//! What comes from outside: cancel, pause, words on unknown outcomes (PROTOCOL 10, 11).

use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::plan::OnEnd;
use holdfast_types::task::WaitReason;
use holdfast_types::{CallId, Payload, TaskOutcome, TaskStatus};

use crate::plans::{call, spec, step};
use crate::scenarios::{trip, with_faults};
use crate::sim::Sim;
use crate::world::Fault;

fn cancel(on_cancel: Option<OnEnd>) -> Message {
    Message::Cancel { on_cancel, reason: "test".to_owned() }
}

#[test]
fn cancel_before_anything_began_ends_at_once() {
    let mut sim = Sim::new(trip());
    sim.send(cancel(None));
    assert_eq!(sim.run(), Some(TaskOutcome::Cancelled));
    assert!(sim.world.effects.is_empty());
}

#[test]
fn cancel_of_a_finished_task_is_refused_and_shown() {
    let mut sim = Sim::new(trip());
    sim.run();
    sim.send(cancel(None));
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    let last = sim.journal.last().unwrap();
    assert!(last.body.contains("already finished"), "{}", last.body);
}

#[test]
fn cancel_of_a_waiting_task_undoes_or_keeps_as_asked() {
    for (on_cancel, expected) in
        [(OnEnd::Compensate, TaskOutcome::Compensated), (OnEnd::Keep, TaskOutcome::Cancelled)]
    {
        let mut sim = with_faults(trip(), &[("hotel", 1, Fault::Ambiguous)]);
        assert_eq!(sim.run(), None);
        assert_eq!(sim.task.summary().status, TaskStatus::Waiting);
        assert_eq!(sim.task.summary().waits_for, Some(WaitReason::UnknownOutcome));
        sim.send(cancel(Some(on_cancel)));
        let outcome = sim.run();
        if on_cancel == OnEnd::Keep {
            assert_eq!(outcome, Some(expected));
            assert_eq!(sim.task.summary().report.unknown[0].to_string(), "hotel");
            continue;
        }
        // An unknown deed with an undo waits for a person; the other undos have run meanwhile.
        assert_eq!(outcome, None, "{:#?}", sim.task.summary());
        sim.send(Message::ResolveOutcome {
            call: "hotel".parse().unwrap(),
            resolution: Resolution::Happened { result: Payload::null() },
            reason: String::new(),
        });
        assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
        assert_eq!(sim.world.count("hotel~undo"), 1);
        assert_eq!(sim.world.count("flight~undo"), 1);
    }
}

#[test]
fn a_word_on_what_is_not_in_question_is_refused() {
    let mut sim = Sim::new(trip());
    sim.send(Message::ResolveOutcome {
        call: "charge".parse::<CallId>().unwrap(),
        resolution: Resolution::DidNotHappen,
        reason: String::new(),
    });
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    let refused = sim.journal.iter().find(|row| row.kind == "message_handled").unwrap();
    assert!(refused.body.contains("REFUSED"));
}

#[test]
fn a_word_that_it_did_not_happen_fails_the_call_and_undoes_the_rest() {
    let mut sim = with_faults(trip(), &[("hotel", 1, Fault::Ambiguous)]);
    assert_eq!(sim.run(), None);
    sim.send(Message::ResolveOutcome {
        call: "hotel".parse().unwrap(),
        resolution: Resolution::DidNotHappen,
        reason: String::new(),
    });
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.world.count("hotel~undo"), 0);
}

#[test]
fn a_paused_task_starts_nothing_and_goes_on_when_told() {
    let mut sim = Sim::new(spec(vec![step("a", call("read"), &[]), step("b", call("pay"), &["a"])]));
    sim.send(Message::Pause);
    assert_eq!(sim.run(), None);
    assert!(sim.world.effects.is_empty());
    assert_eq!(sim.task.summary().waits_for, Some(WaitReason::Paused));
    sim.send(Message::Resume { note: None });
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
}

#[test]
fn a_finished_task_can_be_compensated_on_demand() {
    let mut sim = Sim::new(trip());
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    sim.send(Message::Compensate { from: None, reason: String::new() });
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.world.count("flight~undo"), 1);
    assert_eq!(sim.world.count("hotel~undo"), 1);
}
