//! `run`: the example to its end, and what is told of it.

use crate::binary::{lines, output, stderr, stdout};
use crate::plans;
use crate::scene::Scene;

#[test]
fn the_trip_ends_right_after_one_failure_that_is_retried_and_told() {
    let scene = Scene::new(plans::trip);
    let ended = scene.run_out();
    let told = stderr(&ended);
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert!(told.contains("charge_card failed: TRANSIENT/"), "{told}");
    assert!(told.contains("tried again in") && told.contains("charge_card, attempt 2"), "{told}");
    assert!(told.contains("SUCCEEDED task_") && told.contains("retried 1, replayed 0, degraded 0"), "{told}");
    let booked: serde_json::Value = serde_json::from_str(&stdout(&ended)).unwrap();
    assert_eq!(booked["charged_cents"], 41_000);
    assert!(booked["flight"].is_string() && booked["hotel"]["booking"].is_string());
    let tools: Vec<String> = scene.effects().into_iter().map(|row| row.tool).collect();
    assert_eq!(tools, ["book_flight", "charge_card", "book_hotel"]);
    scene.assert_nothing_runs();

    // The same order again: it is a task of its own, and the card is not charged twice.
    let again = scene.run_out();
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(stderr(&again).contains("replayed 1"), "{}", stderr(&again));
    assert_eq!(scene.effects().iter().filter(|row| row.tool == "charge_card").count(), 1);
}

#[test]
fn json_has_the_published_shape() {
    let scene = Scene::new(plans::trip);
    let ended = output(scene.run().arg("--json"));
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let lines = lines(&ended);
    let (outcome, events) = lines.split_last().unwrap();
    let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(outcome), ["at", "kind", "outcome", "output", "report", "task_id"]);
    assert_eq!(outcome["kind"], "outcome");
    assert_eq!(outcome["outcome"], "TASK_OUTCOME_SUCCEEDED");
    assert_eq!(outcome["report"]["retries"], "1");
    let output: serde_json::Value =
        serde_json::from_str(outcome["output"]["json"].as_str().unwrap()).unwrap();
    assert_eq!(output["charged_cents"], 41_000);
    for (seq, event) in (1..).zip(events) {
        assert_eq!(event["seq"], seq.to_string(), "every event, in order");
        for field in fields(event) {
            assert!(["at", "body_json", "epoch", "kind", "seq", "v"].contains(&field.as_str()), "{field}");
        }
    }
    assert_eq!(events.first().unwrap()["kind"], "submitted");
    assert_eq!(events.last().unwrap()["kind"], "finished");
}

#[test]
fn a_plan_asks_for_what_it_may_touch() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/checksums.yaml");
    let scene = Scene::new(|_| std::fs::read_to_string(example).unwrap());
    let folder = scene.plan().with_file_name("files");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..30 {
        std::fs::write(folder.join(format!("file {number}")), format!("content {number}\n")).unwrap();
    }
    let refused = output(scene.run().args(["--input", "folder=files"]));
    assert_eq!(refused.status.code(), Some(2));
    let told = stderr(&refused);
    let flag = told.lines().last().unwrap().trim().strip_prefix("--allow ").unwrap().to_owned();
    assert_eq!(flag, "exec=sha256sum,read=files,write=checksums.txt");
    assert!(!scene.data().exists(), "a run that is refused leaves nothing behind");

    let ended = output(scene.run().args(["--input", "folder=files", "--allow", &flag]));
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let report = std::fs::read_to_string(scene.plan().with_file_name("checksums.txt")).unwrap();
    let by_hand = output(
        std::process::Command::new("sh")
            .args(["-c", "find files -type f -print0 | xargs -0 sha256sum"])
            .current_dir(scene.plan().parent().unwrap()),
    );
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&report), sorted(&stdout(&by_hand)));
}

#[test]
fn a_wrong_plan_is_told_with_its_line_before_anything_runs() {
    let scene = Scene::new(|ledger| plans::trip(ledger).replace("city: ${inputs.to}", "cites: ${inputs.to}"));
    let refused = scene.run_out();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let told = stderr(&refused);
    assert!(told.contains("plan.yaml:") && told.contains("cites"), "{told}");
    assert!(scene.effects().is_empty());
    scene.assert_nothing_runs();
}

#[test]
fn a_local_worker_that_does_not_come_up_ends_the_run_with_its_name() {
    let scene = Scene::new(|ledger| plans::chain(ledger, 1).replace("trip-worker", "no-such-worker"));
    let ended = scene.run_out();
    assert_eq!(ended.status.code(), Some(1), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("no-such-worker"), "{}", stderr(&ended));
    scene.assert_nothing_runs();
}
