//! A finished task is undone on command: each undo once, whatever is killed, and a way on where one fails.

use std::path::Path;

use holdfast_testkit::ChildGuard;

use crate::binary::{GUARD, lines, output, stderr, stdout};
use crate::plans;
use crate::scene::{Dev, Scene, wait_until};

fn trip_with(faults: &str) -> impl FnOnce(&Path) -> String {
    let faults = faults.to_owned();
    move |ledger| plans::trip(ledger).replace("charge_card:1=transient", &faults)
}

fn ask(scene: &Scene, dev: &Dev, args: &[&str]) -> std::process::Output {
    output(scene.holdfast().args(args).args(["--server", &dev.server()]))
}

fn submit(scene: &Scene, dev: &Dev) -> &'static str {
    let task = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c020";
    let submitted = ask(scene, dev, &["submit", "plan.yaml", "--task-id", task, "--watch"]);
    assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));
    task
}

fn effects(scene: &Scene) -> Vec<String> {
    scene.effects().into_iter().map(|effect| effect.tool).collect()
}

const DONE: [&str; 3] = ["book_flight", "charge_card", "book_hotel"];

#[test]
fn the_process_is_killed_in_the_middle_of_a_compensation_and_each_undo_runs_once() {
    let scene = Scene::new(trip_with("refund_card:1=hang"));
    let mut dev = scene.dev();
    let task = submit(&scene, &dev);
    let mut command = scene.holdfast();
    command.args(["compensate", task, "--reason", "the trip is off", "--server", &dev.server()]);
    let mut follower = ChildGuard::start(command).unwrap();
    // The hotel is undone, the card's undo is under way.
    wait_until("first undo", GUARD, || effects(&scene).contains(&"cancel_hotel".to_owned()));
    wait_until("second undo", GUARD, || {
        let history = ask(&scene, &dev, &["history", task, "--kind", "attempt_started"]);
        stdout(&history).contains("charge~undo")
    });
    dev.process.kill().unwrap();
    follower.kill().unwrap();
    scene.assert_nothing_runs();
    assert_eq!(effects(&scene)[3..], ["cancel_hotel"]);

    let dev = scene.dev();
    let watched = ask(&scene, &dev, &["watch", task]);
    assert_eq!(watched.status.code(), Some(4), "{}", stderr(&watched));
    assert_eq!(effects(&scene)[..3], DONE);
    assert_eq!(effects(&scene)[3..], ["cancel_hotel", "refund_card", "cancel_flight"]);
    scene.assert_each_effect_once();
    let again = ask(&scene, &dev, &["compensate", task]);
    assert_eq!(again.status.code(), Some(1), "{}", stdout(&again));
    assert!(stderr(&again).contains("nothing left to undo"), "{}", stderr(&again));
}

#[test]
fn a_part_is_undone_from_a_step_on() {
    let scene = Scene::new(trip_with("charge_card:1=transient"));
    let dev = scene.dev();
    let task = submit(&scene, &dev);
    let part = ask(&scene, &dev, &["compensate", task, "--from", "charge"]);
    assert_eq!(part.status.code(), Some(4), "{}", stderr(&part));
    assert!(stderr(&part).contains("stands    flight"), "{}", stderr(&part));
    assert_eq!(effects(&scene)[3..], ["cancel_hotel", "refund_card"]);
    let rest = ask(&scene, &dev, &["compensate", task]);
    assert_eq!(rest.status.code(), Some(4), "{}", stderr(&rest));
    assert_eq!(effects(&scene)[3..], ["cancel_hotel", "refund_card", "cancel_flight"]);
}

#[test]
fn what_could_not_be_undone_is_told_exactly_and_there_is_a_way_on() {
    let scene =
        Scene::new(trip_with("refund_card:1=permanent,cancel_flight:1=permanent,cancel_flight:2=permanent"));
    let dev = scene.dev();
    let task = submit(&scene, &dev);
    let failed = ask(&scene, &dev, &["compensate", task]);
    assert_eq!(failed.status.code(), Some(5), "{}", stderr(&failed));
    let shown = stdout(&ask(&scene, &dev, &["get", task]));
    for told in [
        "undone    hotel",
        "stands    charge (charge_card)",
        "stands    flight (book_flight)",
        "flight~undo: 1 attempt",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let got = &lines(&output(scene.holdfast().args(["get", task, "--json", "--server", &dev.server()])))[0];
    let stands = &got["result"]["report"]["stands"];
    assert_eq!(stands[0]["undo"], "flight~undo");
    assert_eq!(stands[0]["undo_failure"]["message"], "told to fail for good");
    assert!(stands[0]["key"].as_str().is_some_and(|key| !key.is_empty()), "{stands}");

    // Tried again, one of them goes well; the other a person does.
    let again = ask(&scene, &dev, &["compensate", task]);
    assert_eq!(again.status.code(), Some(5), "{}", stderr(&again));
    assert_eq!(effects(&scene)[3..], ["cancel_hotel", "refund_card"]);
    let word = ["resolve", task, "flight~undo", "--happened", "{}", "--reason", "called the airline"];
    let resolved = ask(&scene, &dev, &word);
    assert_eq!(resolved.status.code(), Some(0), "{}", stderr(&resolved));
    wait_until("the end", GUARD, || stdout(&ask(&scene, &dev, &["get", task])).contains(" COMPENSATED"));
    assert_eq!(effects(&scene)[3..], ["cancel_hotel", "refund_card"]);
}
