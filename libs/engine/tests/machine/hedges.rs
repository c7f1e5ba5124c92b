//! Hedges: a second attempt of a slow read; the first success closes the call (PROTOCOL 2 and 12).

use std::time::Duration;

use holdfast_engine::{Action, Event, Input, Task};
use holdfast_types::task::{StepStatus, TaskSpec};
use holdfast_types::{CallId, TaskOutcome, WorkerId};

use crate::plans::{START, call, hedged, id, spec, step};
use crate::scenarios::with_faults;
use crate::sim::{Crash, Sim, WorkerFate};
use crate::world::{EVERY, Fault};

/// A hedged read, and something that follows from it.
pub fn slow() -> TaskSpec {
    spec(vec![step("look", hedged("read"), &[]), step("pay", call("pay"), &["look"])])
}

fn events(sim: &Sim) -> Vec<Event> {
    sim.journal.iter().map(|row| holdfast_engine::decode(row).unwrap()).collect()
}

fn workers(sim: &Sim) -> Vec<WorkerId> {
    let intents = events(sim).into_iter().filter_map(|event| match event {
        Event::AttemptStarted(intent) if intent.call.step == id("look") => Some(intent.worker),
        _ => None,
    });
    intents.collect()
}

fn let_go(sim: &Sim) -> Vec<(CallId, u32)> {
    let pending = sim.pending().into_iter().filter_map(|action| match action {
        Action::LetGo { call, attempt, .. } => Some((call, attempt)),
        _ => None,
    });
    pending.collect()
}

/// Runs until two attempts of the read are open.
fn with_two_open(faults: &[(&str, u32, Fault)]) -> Sim {
    let mut sim = with_faults(slow(), faults);
    while sim.late.len() < 2 {
        if sim.pending().is_empty() {
            sim.now = sim.task.next_wake().unwrap();
            sim.feed(Input::Tick);
        } else {
            sim.perform_next();
        }
    }
    sim
}

#[test]
fn a_slow_read_is_tried_on_another_worker_after_its_delay_and_the_first_success_closes_the_call() {
    let mut sim = with_faults(slow(), &[("look", 1, Fault::Slow)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    let workers = workers(&sim);
    assert_eq!(workers.len(), 2);
    assert_ne!(workers[0], workers[1]);
    let at = events(&sim).iter().zip(&sim.journal).find_map(|(event, row)| match event {
        Event::AttemptStarted(intent) if intent.attempt == 2 => Some(row.at),
        _ => None,
    });
    assert!(at.unwrap().since(START) >= Duration::from_millis(300));
    let view = sim.task.step_view(&id("look")).unwrap();
    assert_eq!((view.status, view.attempts), (StepStatus::Succeeded, 2));
    assert_eq!(sim.task.summary().report.retries, 0, "a hedge is no retry");
    assert_eq!(Task::fold(sim.task.id(), &sim.journal).unwrap().summary(), sim.task.summary());
}

#[test]
fn a_read_that_ends_before_the_delay_is_not_hedged() {
    let mut sim = with_faults(slow(), &[]);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(workers(&sim).len(), 1);
}

#[test]
fn the_loser_is_let_go_and_what_it_brings_is_noted() {
    let mut sim = with_two_open(&[("look", EVERY, Fault::Slow)]);
    let (first, second) = (sim.late.pop_front().unwrap(), sim.late.pop_front().unwrap());
    sim.feed(second);
    assert_eq!(let_go(&sim), [("look".parse().unwrap(), 1)]);
    sim.feed(first);
    assert!(sim.kinds().contains(&"late_outcome"));
    let acks = sim.pending().iter().filter(|action| matches!(action, Action::Ack { .. })).count();
    assert_eq!(acks, 2, "each worker may forget its result");
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("pay"), 1);
}

#[test]
fn a_failure_of_one_leaves_the_other_running() {
    let faults = [("look", 1, Fault::SlowTransient), ("look", 2, Fault::Slow)];
    let mut sim = with_two_open(&faults);
    let (first, second) = (sim.late.pop_front().unwrap(), sim.late.pop_front().unwrap());
    sim.feed(first);
    assert!(!sim.pending().iter().any(|action| matches!(action, Action::Prepare(_) | Action::Execute(_))));
    let awaits = sim.journal.iter().find(|row| row.kind == "attempt_ended").unwrap();
    assert!(awaits.body.contains("AWAIT") && awaits.v == 2, "{}", awaits.body);
    sim.feed(second);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(workers(&sim).len(), 2);
}

#[test]
fn an_attempt_and_its_hedge_are_one_try_and_a_call_has_at_most_one_hedge() {
    // Both fail, and so do all retries: four tries, the first of which had two attempts.
    let mut sim = with_faults(slow(), &[("look", EVERY, Fault::SlowTransient)]);
    assert_eq!(sim.run(), Some(TaskOutcome::Failed));
    assert_eq!(workers(&sim).len(), 5);
    assert_eq!(sim.task.summary().report.retries, 3);
}

#[test]
fn without_a_place_or_a_budget_there_is_no_hedge_and_no_failure() {
    for (alone, broke) in [(true, false), (false, true)] {
        let mut sim = with_faults(slow(), &[("look", EVERY, Fault::Slow)]);
        (sim.alone, sim.broke) = (alone, broke);
        assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
        assert_eq!(workers(&sim).len(), 1);
    }
}

#[test]
fn only_a_read_is_hedged_whatever_the_plan_says() {
    for tool in ["put", "set", "pay", "send"] {
        let mut sim =
            with_faults(spec(vec![step("look", hedged(tool), &[])]), &[("look", EVERY, Fault::Slow)]);
        assert_eq!(sim.run(), Some(TaskOutcome::Succeeded), "{tool}");
        assert_eq!(workers(&sim).len(), 1, "{tool}");
    }
}

#[test]
fn after_a_takeover_both_attempts_are_known_and_replaced() {
    for fate in [WorkerFate::DiesToo, WorkerFate::LivesOn] {
        let mut sim = with_two_open(&[("look", 1, Fault::Slow), ("look", 2, Fault::Slow)]);
        sim.fate = fate;
        sim.late.clear();
        let folded = Task::fold(sim.task.id(), &sim.journal).unwrap();
        assert_eq!(folded.step_view(&id("look")).unwrap().attempts, 2);
        // The next action of anything is where the driver dies.
        sim.crash_now();
        assert_eq!(sim.crash, Crash::Never);
        assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
        let closed = sim.kinds().iter().filter(|kind| **kind == "attempt_closed").count();
        assert_eq!((closed, workers(&sim).len()), (2, 3));
    }
}
