//! What other tasks were answered from is not undone without a person's word (PROTOCOL 7).

use std::time::Duration;

use holdfast_engine::event::Question;
use holdfast_engine::{Input, Task};
use holdfast_types::inbox::{Decision, Message};
use holdfast_types::task::WaitReason;
use holdfast_types::{CallId, TaskOutcome, TaskStatus};

use crate::scenarios::{trip, with_faults};
use crate::sim::Sim;
use crate::world::{EVERY, Fault};

fn undo() -> CallId {
    "charge~undo".parse().unwrap()
}

/// A trip that failed at its end, and whose charge answered another task.
fn asked() -> Sim {
    let mut sim =
        with_faults(trip(), &[("charge", EVERY, Fault::Shared), ("hotel", EVERY, Fault::Permanent)]);
    assert_eq!(sim.run(), None, "{:#?}", sim.task.summary());
    let summary = sim.task.summary();
    assert_eq!((summary.status, summary.waits_for), (TaskStatus::Waiting, Some(WaitReason::Approval)));
    assert_eq!(sim.world.count("charge~undo"), 0);
    assert_eq!(sim.world.count("flight~undo"), 1, "the others run");
    let folded = Task::fold(sim.task.id(), &sim.journal).unwrap();
    assert_eq!(folded.summary(), summary);
    sim
}

fn word(sim: &Sim, decision: Decision) -> Message {
    let Question::SharedUndo { digest, tasks: 1 } = sim.task.summary().questions[0].question.clone() else {
        panic!("{:?}", sim.task.summary().questions)
    };
    Message::Approve { call: undo(), digest, decision, edited_args: None }
}

#[test]
fn a_deed_that_others_rely_on_is_undone_when_a_person_says_so() {
    let mut sim = asked();
    sim.send(word(&sim, Decision::Approved));
    assert_eq!(sim.run(), Some(TaskOutcome::Compensated));
    assert_eq!(sim.world.count("charge~undo"), 1);
    assert_eq!(sim.world.count("flight~undo"), 1);
}

#[test]
fn a_deed_that_others_rely_on_stands_when_a_person_says_so_and_the_other_undos_run() {
    let mut sim = asked();
    sim.send(word(&sim, Decision::Rejected));
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let stands = sim.task.summary().report.stands;
    assert_eq!((stands.len(), stands[0].call.to_string().as_str()), (1, "charge"));
    assert!(stands[0].why.contains("shared with 1 other task"), "{}", stands[0].why);
    assert_eq!(sim.world.count("charge~undo"), 0);
    assert_eq!(sim.world.count("flight~undo"), 1);
}

#[test]
fn a_word_about_something_else_is_refused_and_the_question_stays() {
    let mut sim = asked();
    let Message::Approve { call, decision, .. } = word(&sim, Decision::Approved) else { unreachable!() };
    sim.send(Message::Approve { call, digest: "other".to_owned(), decision, edited_args: None });
    assert_eq!(sim.run(), None);
    assert_eq!(sim.task.summary().questions.len(), 1);
    assert_eq!(sim.world.count("charge~undo"), 0);
}

#[test]
fn without_a_word_in_time_it_stands_and_is_listed() {
    let mut sim = asked();
    sim.now = sim.now.after(Duration::from_secs(601));
    sim.feed(Input::Tick);
    assert_eq!(sim.run(), Some(TaskOutcome::CompensationFailed));
    let stands = sim.task.summary().report.stands;
    assert_eq!(stands.len(), 1, "{stands:?}");
    assert!(stands[0].why.contains("shared with 1 other task"), "{stands:?}");
    assert!(sim.kinds().contains(&"undo_skipped"));
}
