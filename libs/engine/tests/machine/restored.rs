//! After a restore of an older backup: what may have run in the lost window is settled before it is begun (DESIGN 11).

use std::time::Duration;

use holdfast_engine::event::Question;
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::plan::Step;
use holdfast_types::restore::Restore;
use holdfast_types::{Payload, Reason, TaskOutcome};
use serde_json::json;

use crate::plans::{START, call, spec, step, with_fallback};
use crate::sim::Sim;
use crate::world::{EVERY, Fault};

const HOUR: Duration = Duration::from_secs(3_600);

fn restore(marked_after: Duration) -> Restore {
    Restore { restored_at: START, marked_at: START.after(marked_after), by: "ada".to_owned() }
}

/// Performs so many actions, which the backup has; lets the rest of the task happen; and takes the store back. The world
/// remembers, the workers are new.
fn restored(steps: Vec<Step>, kept: u32, marked_after: Duration) -> Sim {
    let mut lost = Sim::new(spec(steps.clone()));
    for _ in 0..kept {
        lost.perform_next();
    }
    let (journal, keys) = (lost.journal.clone(), lost.keys.clone());
    assert_eq!(lost.run(), Some(TaskOutcome::Succeeded));
    let mut sim = Sim::new(spec(steps));
    (sim.world, sim.journal, sim.keys) = (lost.world, journal, keys);
    sim.now = START.after(marked_after);
    sim.restores = vec![restore(marked_after)];
    sim.crash_now();
    sim
}

fn asked(sim: &Sim) -> Vec<(String, Reason)> {
    let asked = |view: &holdfast_engine::state::QuestionView| match &view.question {
        Question::UnknownOutcome { failure } => (view.call.to_string(), failure.reason),
        other => panic!("{other:?}"),
    };
    sim.task.summary().questions.iter().map(asked).collect()
}

fn say(sim: &mut Sim, call: &str, resolution: Resolution) {
    let call = call.parse().unwrap();
    sim.send(Message::ResolveOutcome { call, resolution, reason: String::new() });
}

fn happened() -> Resolution {
    Resolution::Happened { result: Payload::Json(json!("as the bank says")) }
}

#[test]
fn whatever_the_backup_holds_nothing_that_must_not_be_repeated_is_done_twice() {
    let steps =
        || vec![step("a", call("pay"), &[]), step("b", call("send"), &["a"]), step("c", call("put"), &["b"])];
    let mut whole = Sim::new(spec(steps()));
    whole.run();
    let (actions, mut questions) = (whole.performed, 0);
    for kept in 0..actions {
        // Shorter than a step's time, which runs on while nobody drives.
        let mut sim = restored(steps(), kept, Duration::from_secs(300));
        while sim.run().is_none() {
            assert_eq!(asked(&sim).len(), 1, "kept {kept}: {:#?}", sim.task.summary());
            questions += 1;
            say(&mut sim, "b", happened());
        }
        assert_eq!(sim.task.summary().outcome, Some(TaskOutcome::Succeeded), "kept {kept}");
        for name in ["a", "b", "c"] {
            assert_eq!(sim.world.count(name), 1, "kept {kept}: {:?}", sim.world.effects);
        }
    }
    assert!(questions > 3, "only {questions} questions");
    // Where the time of a step is over, what was done is undone: and nothing is done again either.
    for kept in 0..actions {
        let mut sim = restored(steps(), kept, HOUR);
        while sim.run().is_none() {
            let call = asked(&sim)[0].0.clone();
            say(&mut sim, &call, happened());
        }
        assert!(["a", "b", "c"].iter().all(|name| sim.world.count(name) <= 1), "kept {kept}");
    }
}

#[test]
fn a_verifiable_call_is_probed_before_its_first_attempt_and_goes_on() {
    let mut sim = restored(vec![step("a", call("pay"), &[])], 0, HOUR);
    let runs = sim.world.runs;
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!((sim.world.count("a"), sim.world.runs), (1, runs));
    assert!(sim.kinds().contains(&"probed") && sim.kinds().contains(&"restored"), "{:?}", sim.kinds());
}

#[test]
fn an_unsafe_call_asks_a_person_and_says_why() {
    let mut sim = restored(vec![step("a", call("send"), &[])], 0, HOUR);
    assert_eq!(sim.run(), None);
    assert_eq!(asked(&sim), [("a".to_owned(), Reason::StoreRestored)]);
    assert_eq!(sim.world.count("a"), 1);
    say(&mut sim, "a", Resolution::RunAgain);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("a"), 2, "a person said so");
}

#[test]
fn not_done_is_believed_only_when_nothing_of_the_lost_window_can_be_under_way() {
    // Nothing was begun in the window, but the store can't know.
    let mut sim = Sim::new(spec(vec![step("a", call("pay"), &[])]));
    sim.restores = vec![restore(Duration::from_secs(1))];
    sim.crash_now();
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("a"), 1);
    // 1 s to the mark, 10 s to begin, 10 s of an attempt, 1 s of clock error, 2 s to settle.
    assert!(sim.now >= START.after(Duration::from_secs(24)), "{:?}", sim.now);
}

#[test]
fn an_idempotent_call_runs_again_under_its_key_as_long_as_its_tool_remembers() {
    let mut sim = restored(vec![step("a", call("put"), &[])], 0, HOUR);
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.world.count("a"), 1);
    let day = Duration::from_secs(23 * 3_600);
    let mut sim = restored(vec![step("a", call("put"), &[])], 0, day);
    assert_eq!(sim.run(), None);
    assert_eq!(asked(&sim), [("a".to_owned(), Reason::StoreRestored)]);
}

#[test]
fn reads_and_what_had_ended_are_left_alone_and_a_mark_counts_once() {
    let steps = vec![step("a", call("send"), &[]), step("b", call("read"), &["a"])];
    let mut sim = restored(steps, 2, HOUR);
    for _ in 0..2 {
        sim.crash_now();
    }
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert_eq!(sim.kinds().iter().filter(|kind| **kind == "restored").count(), 1);
    assert_eq!(sim.world.count("a"), 1);
}

#[test]
fn a_task_of_after_the_restore_has_no_lost_past() {
    let id = holdfast_types::TaskId::new(START.unix_millis(), [1; 10]);
    let mut sim = Sim::with_id(id, spec(vec![step("a", call("send"), &[])]));
    let before = Restore {
        restored_at: holdfast_types::Timestamp::from_micros(1),
        marked_at: START,
        by: String::new(),
    };
    sim.restores = vec![before];
    sim.crash_now();
    assert_eq!(sim.run(), Some(TaskOutcome::Succeeded));
    assert!(!sim.kinds().contains(&"restored"));
}

#[test]
fn a_call_that_is_doubted_has_no_stand_in_before_it_is_settled() {
    let mut sim = restored(vec![with_fallback(step("a", call("send"), &[]), "put")], 0, HOUR);
    sim.world.faults.insert(("a".to_owned(), EVERY), Fault::Permanent);
    assert_eq!(sim.run(), None);
    assert_eq!(asked(&sim).len(), 1);
    say(&mut sim, "a", Resolution::DidNotHappen);
    sim.run();
    assert!(sim.kinds().contains(&"attempt_ended"), "the fallback stood in: {:?}", sim.kinds());
}

#[test]
fn what_a_cancelled_task_had_not_begun_is_listed_as_unknown() {
    let steps = vec![step("a", call("read"), &[]), step("b", call("send"), &["a"])];
    let mut sim = restored(steps, 0, HOUR);
    sim.send(Message::Cancel { on_cancel: None, reason: "no more".to_owned() });
    assert_eq!(sim.run(), Some(TaskOutcome::Cancelled));
    let unknown: Vec<_> = sim.task.summary().report.unknown.iter().map(ToString::to_string).collect();
    assert_eq!(unknown, ["b"]);
    let folded = holdfast_engine::Task::fold(sim.task.id(), &sim.journal).unwrap();
    assert_eq!(folded.summary(), sim.task.summary());
}
