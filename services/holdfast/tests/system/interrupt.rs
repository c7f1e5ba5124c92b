//! Runs that are cut short on purpose: Ctrl-C, a changed plan, a folder that is in use.

use std::path::Path;
use std::time::Duration;

use holdfast_testkit::{ChildGuard, Sign};

use crate::binary::{GUARD, output, stderr};
use crate::plans;
use crate::scene::{Scene, let_pass};

/// A chain whose third call never ends.
fn hangs_at_third(ledger: &Path) -> String {
    plans::chain(ledger, 40).replace("trip-worker,", "trip-worker, --fail, \"chain_step:3=hang\",")
}

/// Starts a run, and waits until so many of its calls have ended.
fn under_way(scene: &Scene, calls: usize) -> ChildGuard {
    let mut command = scene.run();
    command.arg("--json");
    let run = ChildGuard::start(command).unwrap();
    let ended = std::cell::Cell::new(0);
    run.line("so many calls", GUARD, |line| {
        ended.set(ended.get() + usize::from(line.contains("\"attempt_ended\"")));
        (ended.get() >= calls).then_some(())
    })
    .unwrap();
    run
}

#[test]
fn a_run_that_is_interrupted_goes_on_with_the_same_command() {
    let scene = Scene::new(|ledger| plans::chain(ledger, 40));
    let mut run = under_way(&scene, 5);
    run.send(Sign::Interrupt).unwrap();
    assert_eq!(run.wait(GUARD).unwrap().code(), Some(130));
    scene.assert_nothing_runs();
    let before = scene.effects().len();
    assert!((5..40).contains(&before), "{before}");

    let ended = scene.run_out();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("resuming task_"), "{}", stderr(&ended));
    assert_eq!(scene.effects().len(), 40);
    scene.assert_each_effect_once();
}

#[test]
fn a_second_interrupt_waits_for_nothing() {
    let scene = Scene::new(hangs_at_third);
    let mut run = under_way(&scene, 2);
    run.send(Sign::Interrupt).unwrap();
    let_pass(Duration::from_millis(200));
    assert_eq!(run.try_wait().unwrap(), None, "the call under way is given its time");
    run.send(Sign::Interrupt).unwrap();
    assert_eq!(run.wait(Duration::from_secs(5)).unwrap().code(), Some(130));
    scene.assert_nothing_runs();
}

#[test]
fn a_plan_that_changed_stops_and_asks() {
    let scene = Scene::new(|ledger| plans::chain(ledger, 40));
    let mut run = under_way(&scene, 3);
    run.send(Sign::Interrupt).unwrap();
    assert_eq!(run.wait(GUARD).unwrap().code(), Some(130));
    std::fs::write(scene.plan(), plans::chain(&scene.ledger(), 41)).unwrap();

    let asked = scene.run_out();
    assert_eq!(asked.status.code(), Some(2), "{}", stderr(&asked));
    assert!(
        stderr(&asked).contains("--new") && stderr(&asked).contains("--resume-old"),
        "{}",
        stderr(&asked)
    );

    let old = output(scene.run().arg("--resume-old"));
    assert_eq!(old.status.code(), Some(0), "{}", stderr(&old));
    assert_eq!(scene.effects().len(), 40, "the old task goes on as it was submitted");

    let new = scene.run_out();
    assert_eq!(new.status.code(), Some(0), "{}", stderr(&new));
    assert_eq!(scene.effects().len(), 40 + 41);
}

#[test]
fn new_cancels_what_is_unfinished_and_begins_anew() {
    let scene = Scene::new(|ledger| plans::chain(ledger, 40));
    let mut run = under_way(&scene, 3);
    run.send(Sign::Interrupt).unwrap();
    assert_eq!(run.wait(GUARD).unwrap().code(), Some(130));
    let new = output(scene.run().arg("--new"));
    assert_eq!(new.status.code(), Some(0), "{}", stderr(&new));
    let tasks: std::collections::BTreeSet<String> = scene.effects().into_iter().map(|row| row.task).collect();
    assert_eq!(tasks.len(), 2);
    scene.assert_each_effect_once();
}

#[test]
fn a_folder_that_is_in_use_is_refused_with_the_owner() {
    let scene = Scene::new(hangs_at_third);
    let run = under_way(&scene, 2);
    let dev =
        output(scene.holdfast().args(["dev", "--listen", "127.0.0.1:0"]).arg("--data-dir").arg(scene.data()));
    assert_eq!(dev.status.code(), Some(1));
    assert!(stderr(&dev).contains(&format!("process {}", run.pid())), "{}", stderr(&dev));
}
