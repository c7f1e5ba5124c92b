//! An older backup is put back: what ran after it was taken is not run again (DESIGN section 11).

use std::path::Path;

use serde_json::Value;

use crate::binary::{GUARD, lines, output, stderr};
use crate::plans;
use crate::scene::{Dev, Scene, wait_until};

/// A look, a booking that its tool can be asked about, a mail that nobody can ask about, and a look. The first look hangs
/// in the first life, the last one in the second.
fn plan(ledger: &Path) -> String {
    let step = |id: &str, after: &str, tool: &str, args: &str| {
        format!("  - id: {id}\n    depends_on: [{after}]\n    tool: {tool}\n    args: {{ {args} }}\n")
    };
    [
        plans::head("restore", ledger)
            .replace("trip-worker,", "trip-worker, --fail, \"payload:1=hang,payload:3=hang\","),
        step("look", "", "payload", "bytes: 10, index: 0"),
        step("book", "look", "chain_step", "bytes: 10, index: 1"),
        step("mail", "book", "send_mail", "to: ada@example.com"),
        step("end", "mail", "payload", "bytes: 10, index: 2"),
    ]
    .concat()
}

fn ask(scene: &Scene, dev: &Dev, args: &[&str]) -> Vec<Value> {
    let answered = output(scene.holdfast().args(args).args(["--server", &dev.server(), "--json"]));
    assert!(answered.status.success(), "{args:?}: {}", stderr(&answered));
    lines(&answered)
}

/// Waits until the first call is under way.
fn until_begun(scene: &Scene, dev: &Dev, task: &str) {
    wait_until("first call", GUARD, || {
        ask(scene, dev, &["history", task]).iter().any(|event| event["kind"] == "attempt_started")
    });
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn what_ran_after_the_backup_is_probed_or_asked_about_and_not_done_again() {
    let scene = Scene::new(plan);
    let task = "task_0193f0c2f2a97d4ab1f5a4b4b9a1c003";
    let mut dev = scene.dev();
    let submitted =
        output(scene.holdfast().args(["submit", "plan.yaml", "--server", &dev.server(), "--task-id", task]));
    assert!(submitted.status.success(), "{}", stderr(&submitted));
    until_begun(&scene, &dev, task);
    dev.process.kill().unwrap();
    scene.assert_nothing_runs();
    let backup = scene.data().with_extension("backup");
    copy(&scene.data(), &backup);

    // What is lost: both effects, and then the platform.
    let mut dev = scene.dev();
    wait_until("mail", GUARD, || scene.effects().len() == 2);
    let recover = |extra: &[&str]| {
        let mut command = scene.holdfast();
        command.args(["recover", "--restored-at", "10m ago", "--by", "ada", "--json", "--data-dir"]);
        output(command.arg(scene.data()).args(extra))
    };
    let refused = recover(&[]);
    assert!(!refused.status.success() && stderr(&refused).contains("is using"), "{}", stderr(&refused));
    dev.process.kill().unwrap();
    scene.assert_nothing_runs();
    std::fs::remove_dir_all(scene.data()).unwrap();
    copy(&backup, &scene.data());

    let look = recover(&["--dry-run"]);
    assert_eq!(lines(&look)[0]["outcome"], "WOULD_MARK", "{}", stderr(&look));
    let marked = &lines(&recover(&[]))[0];
    assert_eq!((&marked["outcome"], &marked["unfinished_tasks"]), (&"MARKED".into(), &1.into()), "{marked}");
    assert_eq!(marked["by"], "ada");

    let dev = scene.dev();
    let mut got = Value::Null;
    wait_until("question", GUARD, || {
        got = ask(&scene, &dev, &["get", task]).remove(0);
        got["pending"].as_array().is_some_and(|pending| !pending.is_empty())
    });
    assert_eq!(got["pending"][0]["call"], "mail", "{got}");
    assert!(got.to_string().contains("STORE_RESTORED"), "{got}");
    assert_eq!(scene.effects().len(), 2, "the booking was found, the mail is not sent again");
    let kinds: Vec<Value> = ask(&scene, &dev, &["history", task]).iter().map(|e| e["kind"].clone()).collect();
    assert!(kinds.contains(&"restored".into()) && kinds.contains(&"probed".into()), "{kinds:?}");

    let happened = ["--happened", "{\"sent_to\": \"ada@example.com\"}", "--reason", "it is in the outbox"];
    ask(&scene, &dev, &[&["resolve", task, "mail"], &happened[..]].concat());
    let outcome = ask(&scene, &dev, &["watch", task]).pop().unwrap();
    assert_eq!(outcome["outcome"], "TASK_OUTCOME_SUCCEEDED", "{outcome}");
    assert_eq!(scene.effects().len(), 2);
    scene.assert_each_effect_once();
}

#[test]
fn there_must_be_a_store_and_a_moment() {
    let scene = Scene::new(plan);
    let recover = |at: &str| {
        let mut command = scene.holdfast();
        output(command.args(["recover", "--restored-at", at, "--data-dir"]).arg(scene.data()))
    };
    let nothing = recover("10m ago");
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("holds no store"), "{}", stderr(&nothing));
    assert_eq!(recover("yesterday").status.code(), Some(2));
}
