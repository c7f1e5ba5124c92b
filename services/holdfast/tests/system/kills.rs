//! SIGKILL at random moments: each effect once, nothing recorded runs again, nothing survives.

use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use holdfast_testkit::{ChildGuard, Faults, running_with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::{GUARD, lines, output, stderr, stdout};
use crate::journal::{assert_nothing_recorded_ran_again, events};
use crate::plans;
use crate::scene::{Scene, let_pass, wait_until};

/// How many moments each test tries.
const KILLS: usize = 20;

/// A run that was killed may be followed by so many whole ones until it ends: each barren one may be set aside once.
const WHOLE_RUNS: usize = 3;

#[test]
fn run_of_the_trip() {
    let done = kill_runs(plans::trip, 1);
    for (scene, tasks) in &done {
        let effects = scene.effects_by_task();
        let of =
            |task: &str, tool: &str| effects.get(&(task.to_owned(), tool.to_owned())).copied().unwrap_or(0);
        for task in tasks {
            assert_eq!((of(task, "book_flight"), of(task, "book_hotel")), (1, 1), "{task}");
        }
        let charges = scene.effects().iter().filter(|row| row.tool == "charge_card").count();
        assert_eq!(charges, 1, "one order, one charge, whoever asks");
    }
}

#[test]
fn run_of_a_chain() {
    let done = kill_runs(|ledger| plans::chain(ledger, 40), 2);
    for (scene, tasks) in &done {
        let effects = scene.effects_by_task();
        for task in tasks {
            assert_eq!(effects.get(&(task.clone(), "chain_step".to_owned())), Some(&40), "{task}");
        }
    }
}

#[test]
fn run_of_a_fan_out() {
    let done = kill_runs(|ledger| plans::fan(ledger, 100), 3);
    for (scene, tasks) in &done {
        let effects = scene.effects_by_task();
        for task in tasks {
            assert_eq!(effects.get(&(task.clone(), "fan_item".to_owned())), Some(&100), "{task}");
        }
    }
}

/// Kills runs of a plan at so many moments; a scene ends when its run does. Returns the scenes with their tasks that
/// were seen to end.
fn kill_runs(plan: impl Fn(&std::path::Path) -> String, seed: u64) -> Vec<(Scene, Vec<String>)> {
    let faults = Faults::seeded(seed);
    let (mut done, mut kills) = (Vec::new(), 0);
    let mut span = Duration::ZERO;
    while kills < KILLS {
        let scene = Scene::new(&plan);
        if span.is_zero() {
            span = how_long(&scene);
            done.push((scene, Vec::new()));
            continue;
        }
        // A few kills a scene: the longer a task lives, the more of its journal is read again.
        let here = (KILLS - kills).min(4);
        for _ in 0..here {
            let mut run = ChildGuard::start(scene.run()).unwrap();
            let_pass(faults.moment(Duration::ZERO..span));
            let ended = run.kill().unwrap();
            kills += usize::from(ended.code().is_none());
            if faults.strikes(0.5) {
                scene.assert_nothing_runs();
            }
        }
        let task = to_its_end(&scene);
        scene.assert_each_effect_once();
        scene.assert_nothing_runs();
        let dev = scene.dev();
        let recorded = assert_nothing_recorded_ran_again(&events(&scene, &dev.server(), &task));
        assert!(recorded > 0);
        done.push((scene, vec![task]));
    }
    done
}

/// Steps of a chain that is still under way at the last of the kills.
const LONG: usize = 300;

/// A span beyond this only means that the machine has other work: nothing new would be met in it.
const LONGEST_SPAN: Duration = Duration::from_millis(1_500);

/// How long an undisturbed run takes: the span in which it is killed.
fn how_long(scene: &Scene) -> Duration {
    let began = SystemClock.boot();
    let ended = scene.run_out();
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    SystemClock.boot().since(began).min(LONGEST_SPAN)
}

/// Runs until the task has ended; one that was set aside for its many deaths is run again, and one that was killed
/// while it booked the hotel asks a person: that tool can't be asked whether it happened.
fn to_its_end(scene: &Scene) -> String {
    for _ in 0..WHOLE_RUNS {
        let ended = output(scene.run().args(["--json", "--no-wait"]));
        match ended.status.code() {
            Some(0) => return lines(&ended).last().unwrap()["task_id"].as_str().unwrap().to_owned(),
            Some(8) => {
                if let Some(task) = answer(scene) {
                    return task;
                }
            }
            other => panic!("{other:?}: {}\n{}", stderr(&ended), stdout(&ended)),
        }
    }
    panic!("the task does not end");
}

/// Looks into the ledger like a person would, says what happened, and follows the task to its end; none where nobody
/// was asked.
fn answer(scene: &Scene) -> Option<String> {
    let dev = scene.dev();
    let ask = |args: &[&str]| output(scene.holdfast().args(args).args(["--server", &dev.server(), "--json"]));
    let tasks: Vec<String> = lines(&ask(&["list", "--status", "WAITING"]))
        .iter()
        .map(|task| task["task_id"].as_str().unwrap().to_owned())
        .collect();
    let (task, call) = tasks.iter().find_map(|task| {
        let got = lines(&ask(&["get", task])).remove(0);
        let call = got["pending"][0]["call"].as_str()?.to_owned();
        Some((task.clone(), call))
    })?;
    assert_eq!(call, "hotel");
    let happened = scene.effects_by_task().contains_key(&(task.clone(), "book_hotel".to_owned()));
    let reason = ["--reason", "the ledger says so"];
    let word: &[&str] =
        if happened { &["--happened", "{\"booking\": \"by hand\"}"] } else { &["--run-again"] };
    let said = ask(&[&["resolve", &task, &call], word, &reason].concat());
    assert_eq!(said.status.code(), Some(0), "{}", stderr(&said));
    let outcome = watch(scene, &dev.server(), &task);
    assert_eq!(outcome["outcome"], "TASK_OUTCOME_SUCCEEDED", "{outcome}");
    Some(task)
}

#[test]
fn dev() {
    let faults = Faults::seeded(4);
    let scene = Scene::new(|ledger| plans::chain(ledger, LONG));
    let task = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c001";
    for _ in 0..KILLS {
        let mut dev = scene.dev();
        submit(&scene, &dev.server(), task);
        let_pass(faults.moment(Duration::ZERO..Duration::from_millis(150)));
        dev.process.kill().unwrap();
    }
    scene.assert_nothing_runs();
    let dev = scene.dev();
    let mut outcome = watch(&scene, &dev.server(), task);
    // Where several kills in a row came before any outcome, the task was set aside as poison; an operator knows better.
    while outcome["kind"] == "quarantined" {
        output(scene.holdfast().args(["resume", task, "--server", &dev.server()]));
        outcome = watch(&scene, &dev.server(), task);
    }
    assert_eq!(outcome["outcome"], "TASK_OUTCOME_SUCCEEDED", "{outcome}");
    assert_eq!(scene.effects().len(), LONG);
    scene.assert_each_effect_once();
    assert_eq!(assert_nothing_recorded_ran_again(&events(&scene, &dev.server(), task)), LONG);
}

#[test]
fn a_local_worker() {
    let faults = Faults::seeded(5);
    let scene = Scene::new(|ledger| plans::chain(ledger, LONG));
    let dev = scene.dev();
    let task = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c002";
    submit(&scene, &dev.server(), task);
    for _ in 0..KILLS {
        // One that is killed before it has registered was not there: a moment counts from its registration.
        wait_until("registered worker", GUARD, || hosts_the_chain(&scene, &dev.server()));
        let_pass(faults.moment(Duration::ZERO..Duration::from_millis(60)));
        kill_worker(&scene);
    }
    let outcome = watch(&scene, &dev.server(), task);
    assert_eq!(outcome["outcome"], "TASK_OUTCOME_SUCCEEDED", "{outcome}");
    assert_eq!(scene.effects().len(), LONG);
    scene.assert_each_effect_once();
    drop(dev);
    scene.assert_nothing_runs();
}

#[test]
fn no_program_of_a_tool_survives_and_none_is_started_twice() {
    let naps = format!("600.{}", std::process::id());
    let scene = Scene::new(|_| {
        format!(
            "holdfast: v1\nname: nap\nsteps:\n  - id: nap\n    tool: process_exec\n    \
             args: {{ program: sleep, args: [\"{naps}\"] }}\n"
        )
    });
    let mut command = scene.run();
    command.args(["--allow", "exec=sleep"]);
    let mut run = ChildGuard::start(command).unwrap();
    wait_until("nap", GUARD, || !running_with(&naps).unwrap().is_empty());
    run.kill().unwrap();
    // Whoever gets the folder next knows that the program is dead, and that it may have done its work.
    let again = output(scene.run().args(["--allow", "exec=sleep", "--no-wait"]));
    assert_eq!(again.status.code(), Some(8), "{}", stderr(&again));
    assert!(running_with(&naps).unwrap().is_empty());
}

fn hosts_the_chain(scene: &Scene, server: &str) -> bool {
    stdout(&output(scene.holdfast().args(["tools", "--server", server]))).contains("chain_step")
}

/// Kills the worker below its guard, once there is one.
fn kill_worker(scene: &Scene) {
    let marker = format!("/proc/self/exe example trip-worker --ledger {}", scene.ledger().display());
    let mut worker = None;
    wait_until("worker", GUARD, || {
        let guarded = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").starts_with(&marker)
        };
        worker = running_with(&marker).unwrap().into_iter().find(guarded);
        worker.is_some()
    });
    let pid = worker.and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap())).unwrap();
    // It may have ended by itself in between; then there is nothing to kill.
    let _ = kill_process(pid, Signal::KILL);
}

fn submit(scene: &Scene, server: &str, task: &str) {
    let submitted =
        output(scene.holdfast().args(["submit", "plan.yaml", "--server", server, "--task-id", task]));
    assert!(submitted.status.success(), "{}", stderr(&submitted));
}

fn watch(scene: &Scene, server: &str, task: &str) -> Value {
    let watched = output(scene.holdfast().args(["watch", task, "--server", server, "--json"]));
    lines(&watched).pop().unwrap_or_else(|| panic!("{}", stderr(&watched)))
}
