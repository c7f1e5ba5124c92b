//! How a task may end, and what the process says of it.

use std::path::Path;

use crate::binary::{lines, output, stderr, stdout};
use crate::plans;
use crate::scene::Scene;

/// The trip with other faults than the example's.
fn trip_with(faults: &str) -> impl FnOnce(&Path) -> String {
    let faults = faults.to_owned();
    move |ledger| plans::trip(ledger).replace("charge_card:1=transient", &faults)
}

#[test]
fn what_was_done_is_undone_when_the_card_is_refused() {
    let scene = Scene::new(trip_with("charge_card:*=permanent"));
    let ended = scene.run_out();
    let told = stderr(&ended);
    assert_eq!(ended.status.code(), Some(4), "{told}");
    assert!(told.contains("COMPENSATED task_") && told.contains("undone 1"), "{told}");
    let tools: Vec<String> = scene.effects().into_iter().map(|effect| effect.tool).collect();
    assert_eq!(tools, ["book_flight", "cancel_flight"]);
}

#[test]
fn a_stand_in_is_told_and_counts_only_where_one_is_strict() {
    let scene = Scene::new(trip_with("book_hotel:*=permanent,hold_hotel:*=permanent,forecast:*=permanent"));
    let ended = scene.run_out();
    let told = stderr(&ended);
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert!(told.contains("DEGRADED task_") && told.contains("degraded  hotel"), "{told}");
    assert!(told.contains("missing   weather"), "{told}");
    assert!(stdout(&ended).contains("book the hotel by hand"));
    let strict = output(scene.run().args(["--strict", "--json", "--input", "order_id=another"]));
    assert_eq!(strict.status.code(), Some(3), "{}", stderr(&strict));
    assert_eq!(lines(&strict).last().unwrap()["outcome"], "TASK_OUTCOME_DEGRADED");
}

#[test]
fn an_outcome_that_nobody_knows_is_asked_about_and_a_person_settles_it() {
    // The worker dies after the mail went out: sending it again would be a second mail.
    let mail = |ledger: &Path| {
        plans::chain(ledger, 1)
            .replace("trip-worker,", "trip-worker, --fail, \"send_mail:1=die-after\",")
            .replace("tool: chain_step", "tool: send_mail")
            .replace(
                "args: { index: 0, bytes: 100, echo: \"0\" }",
                "args: { to: ada@example.com, subject: hello }",
            )
            .replace("output: ${steps.s0.result.index}\n", "")
    };
    let scene = Scene::new(mail);
    let waits = output(scene.run().arg("--no-wait"));
    assert_eq!(waits.status.code(), Some(8), "{}", stderr(&waits));
    assert!(stderr(&waits).contains("whether it happened"), "{}", stderr(&waits));

    let dev = scene.dev();
    let ask = |args: &[&str]| output(scene.holdfast().args(args).args(["--server", &dev.server(), "--json"]));
    let task = lines(&ask(&["list"]))[0]["task_id"].as_str().unwrap().to_owned();
    let got = &lines(&ask(&["get", &task]))[0];
    assert_eq!(got["pending"][0]["call"], "s0", "{got}");
    let resolved =
        ask(&["resolve", &task, "s0", "--happened", "{\"id\": 7}", "--reason", "it is in the outbox"]);
    assert_eq!(resolved.status.code(), Some(0), "{}", stderr(&resolved));
    let watched = ask(&["watch", &task]);
    assert_eq!(watched.status.code(), Some(0), "{}{}", stdout(&watched), stderr(&watched));
    assert_eq!(scene.effects().len(), 1, "no second mail");
}

#[test]
fn a_deadline_that_passes_is_six_or_is_undone() {
    let hangs = |ledger: &Path| {
        plans::chain(ledger, 1)
            .replace("trip-worker,", "trip-worker, --fail, \"chain_step:1=hang\",")
            .replace("name: chain", "name: chain\ndeadline: 500ms\non_failure: keep")
    };
    let ended = Scene::new(hangs).run_out();
    assert_eq!(ended.status.code(), Some(6), "{}", stderr(&ended));
}
