//! A task that goes on with what another has done: the ledger shows it once.

use std::path::Path;

use serde_json::Value;

use crate::binary::{lines, output, stderr, stdout};
use crate::plans;
use crate::scene::{Dev, Scene};

/// The trip, whose hotel is booked for a guest of its own.
fn plan(ledger: &Path) -> String {
    let trip = plans::trip(ledger);
    let (booked, for_guest) = (
        "      traveller: ${inputs.traveller}\n      hotel:",
        "      traveller: ${inputs.guest}\n      hotel:",
    );
    let input = "  from:      { type: string,  default: BER }\n";
    assert!(trip.contains(booked) && trip.contains(input));
    trip.replace(booked, for_guest)
        .replace(input, &format!("{input}  guest: {{ type: string, default: ada@example.com }}\n"))
}

fn ask(scene: &Scene, dev: &Dev, args: &[&str]) -> std::process::Output {
    output(scene.holdfast().args(args).args(["--server", &dev.server()]))
}

fn json(scene: &Scene, dev: &Dev, args: &[&str]) -> Vec<Value> {
    let answered = output(scene.holdfast().args(args).args(["--server", &dev.server(), "--json"]));
    assert!(answered.status.success(), "{args:?}: {}", stderr(&answered));
    lines(&answered)
}

fn effects(scene: &Scene, tool: &str) -> usize {
    scene.effects().iter().filter(|effect| effect.tool == tool).count()
}

#[test]
fn a_finished_trip_is_forked_from_its_hotel_with_another_guest() {
    let scene = Scene::new(plan);
    let dev = scene.dev();
    let source = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c010";
    let submitted = ask(&scene, &dev, &["submit", "plan.yaml", "--task-id", source, "--watch"]);
    assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));

    // The flight was booked for the traveller: a fork that inherits it can't have another.
    let refused =
        ask(&scene, &dev, &["fork", source, "--from", "hotel", "--input", "traveller=eve@example.com"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("'flight' has read it"), "{}", stderr(&refused));

    let id = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c011";
    let args = ["fork", source, "--from", "hotel", "--input", "guest=grace@example.com", "--id", id];
    let forked = json(&scene, &dev, &args);
    assert_eq!(
        (forked[0]["created"].as_bool(), forked[0]["task"]["task_id"].as_str()),
        (Some(true), Some(id))
    );
    assert_eq!(forked[0]["task"]["forked_from_task_id"], source);
    let again = json(&scene, &dev, &args);
    assert_ne!(again[0]["created"].as_bool(), Some(true), "{again:?}");
    let watched = ask(&scene, &dev, &["watch", id]);
    assert_eq!(watched.status.code(), Some(0), "{}", stderr(&watched));
    let told = stderr(&watched);
    assert!(told.contains(&format!("already done by {source}/flight")), "{told}");

    let counts = ["book_flight", "charge_card", "book_hotel"].map(|tool| effects(&scene, tool));
    assert_eq!(counts, [1, 1, 2]);
    let got = ask(&scene, &dev, &["get", id, "--subtasks"]);
    let shown = stdout(&got);
    assert!(shown.contains(&format!("forked from {source} at event ")), "{shown}");
    assert!(shown.contains(&format!("REPLAY of {source}/charge")), "{shown}");
    let traced = stdout(&ask(&scene, &dev, &["trace", id]));
    assert!(traced.contains(&format!("done by {source}/charge")), "{traced}");
    let replayed = json(&scene, &dev, &["history", id, "--kind", "call_replayed"]);
    assert!(replayed.iter().any(|event| event["body_json"].as_str().unwrap().contains("/flight")));

    // Undoing the fork undoes its hotel alone; undoing the source asks about what the fork relies on.
    let undone = ask(&scene, &dev, &["compensate", id]);
    assert_eq!(undone.status.code(), Some(4), "{}", stderr(&undone));
    let asked = ask(&scene, &dev, &["compensate", source, "--no-wait"]);
    assert_eq!(asked.status.code(), Some(8), "{}", stderr(&asked));
    let counts = ["cancel_hotel", "refund_card", "cancel_flight"].map(|tool| effects(&scene, tool));
    assert_eq!(counts, [2, 0, 0]);
}

#[test]
fn a_trip_that_failed_and_kept_what_it_did_goes_on_where_it_failed() {
    let scene = Scene::new(|ledger| {
        plan(ledger)
            .replace("charge_card:1=transient", "book_hotel:1=permanent,hold_hotel:1=permanent")
            .replace("on_failure: compensate", "on_failure: keep")
            .replace("      - value: { booking: null, note: book the hotel by hand }\n", "")
    });
    let dev = scene.dev();
    let source = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c012";
    let submitted = ask(&scene, &dev, &["submit", "plan.yaml", "--task-id", source, "--watch"]);
    assert_eq!(submitted.status.code(), Some(1), "{}", stderr(&submitted));
    let forked = ask(&scene, &dev, &["fork", source, "--watch"]);
    assert_eq!(forked.status.code(), Some(0), "{}", stderr(&forked));
    let counts = ["book_flight", "charge_card", "book_hotel"].map(|tool| effects(&scene, tool));
    assert_eq!(counts, [1, 1, 1]);
}
