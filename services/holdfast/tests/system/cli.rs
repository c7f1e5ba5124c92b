//! The commands that talk to a server, and those that need none.

use std::process::Output;

use holdfast_testkit::{Flush, Postgres, Redis};
use serde_json::Value;

use crate::binary::{GUARD, lines, metrics_at, output, stderr, stdout};
use crate::plans;
use crate::scene::{Scene, wait_until};

#[test]
fn a_server_is_asked_and_answers_in_json() {
    let scene = Scene::new(plans::trip);
    let dev = scene.dev();
    let server = dev.server();
    let ask = |args: &[&str]| output(scene.holdfast().args(args).args(["--server", &server, "--json"]));

    assert!(lines(&ask(&["ping"]))[0]["millis"].is_number());
    let tools = lines(&ask(&["tools"]));
    assert!(tools.iter().any(|tool| tool["name"] == "charge_card"));
    assert!(tools.iter().any(|tool| tool["name"] == "process_exec"));

    let submitted = ask(&["submit", "plan.yaml", "--label", "of=test"]);
    assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));
    let submitted = &lines(&submitted)[0];
    assert_eq!(submitted["created"], true);
    let task = submitted["task"]["task_id"].as_str().unwrap();

    let watched = lines(&ask(&["watch", task]));
    assert_eq!(watched.last().unwrap()["kind"], "outcome");
    assert_eq!(watched.last().unwrap()["outcome"], "TASK_OUTCOME_SUCCEEDED");

    let got = &lines(&ask(&["get", task, "--subtasks"]))[0];
    assert_eq!(got["status"], "TASK_STATUS_FINISHED");
    assert_eq!(got["trace_id"].as_str().unwrap().len(), 32);
    let calls: Vec<&str> =
        got["subtasks"].as_array().unwrap().iter().filter_map(|of| of["call"].as_str()).collect();
    assert!(calls.contains(&"offers[2]") && calls.contains(&"charge"), "{calls:?}");

    let listed = lines(&ask(&["list", "--status", "finished", "--label", "of=test"]));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["task_id"], task);
    assert!(lines(&ask(&["list", "--label", "of=nothing"])).is_empty());

    let history = lines(&ask(&["history", task, "--kind", "finished"]));
    assert_eq!(history.len(), 1);
    assert_eq!(lines(&ask(&["cancel", task]))[0]["status"], "TASK_STATUS_FINISHED");

    let unknown = ask(&["get", "task_0193f0c2f2a97d4ab1f5a4b4b9a1cfff"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
}

#[test]
fn a_cancelled_task_says_so() {
    // A call that hangs: the task is alive when it is cancelled.
    let hangs = |ledger: &std::path::Path| {
        plans::chain(ledger, 1).replace("trip-worker,", "trip-worker, --fail, \"chain_step:1=hang\",")
    };
    let scene = Scene::new(hangs);
    let dev = scene.dev();
    let server = dev.server();
    let ask = |args: &[&str]| output(scene.holdfast().args(args).args(["--server", &server, "--json"]));
    let submitted = ask(&["submit", "plan.yaml"]);
    let task = lines(&submitted)[0]["task"]["task_id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&["cancel", &task, "--reason", "no need"]).status.code(), Some(0));
    let watched = ask(&["watch", &task]);
    assert_eq!(watched.status.code(), Some(7), "{}{}", stdout(&watched), stderr(&watched));
    assert!(scene.effects().is_empty());
}

#[test]
fn metrics_are_there_to_be_read() {
    let scene = Scene::new(plans::trip);
    let dev = scene.dev();
    let submitted =
        output(scene.holdfast().args(["submit", "plan.yaml", "--watch", "--server", &dev.server()]));
    assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));
    let text = metrics_at(&dev.address("metrics"));
    assert!(text.contains("holdfast_retries_total{"), "{text}");
}

#[test]
fn nobody_there_is_nine() {
    let scene = Scene::new(plans::trip);
    let refused = output(scene.holdfast().args(["list", "--server", "http://127.0.0.1:1"]));
    assert_eq!(refused.status.code(), Some(9), "{}", stderr(&refused));
}

#[test]
fn a_plan_is_validated_with_the_tools_of_its_workers() {
    let scene = Scene::new(plans::trip);
    let sound = output(scene.holdfast().args(["validate", "plan.yaml", "--json"]));
    assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
    assert_eq!(lines(&sound)[0]["valid"], true);
    let wrong = plans::trip(&scene.ledger()).replace("tool: charge_card", "tool: charge_cart");
    std::fs::write(scene.plan(), wrong).unwrap();
    let wrong = output(scene.holdfast().args(["validate", "plan.yaml"]));
    assert_eq!(wrong.status.code(), Some(2));
    let told = stderr(&wrong);
    assert!(told.contains("plan.yaml:") && told.contains("charge_card"), "{told}");
    scene.assert_nothing_runs();
    assert!(!scene.data().exists());
}

#[test]
fn the_configuration_names_its_sources_and_hides_secrets() {
    let scene = Scene::new(plans::trip);
    let file = scene.plan().with_file_name("holdfast.toml");
    std::fs::write(&file, "[worker.grants.secrets.BANK]\nvalue = \"hunter2\"\ntools = []\n").unwrap();
    let shown = output(scene.holdfast().args(["config", "--json"]).env("HOLDFAST_WORKER__SLOTS", "3"));
    let settings = lines(&shown);
    let of =
        |key: &str| settings.iter().find(|setting| setting["key"] == key).cloned().unwrap_or(Value::Null);
    assert_eq!(of("worker.slots")["value"], 3);
    assert_eq!(of("worker.slots")["source"], "HOLDFAST_WORKER__SLOTS");
    assert!(!stdout(&shown).contains("hunter2"), "{}", stdout(&shown));
    std::fs::write(&file, "[worker]\nslot = 3\n").unwrap();
    let wrong = output(scene.holdfast().arg("config"));
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("holdfast.toml:2") && stderr(&wrong).contains("worker.slots"));
}

#[test]
fn what_init_writes_runs() {
    let scene = Scene::new(plans::trip);
    let written = output(scene.holdfast().args(["init", "new"]));
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let folder = scene.plan().with_file_name("new");
    std::fs::write(folder.join("README.md"), "hello\n").unwrap();
    let mut run = scene.holdfast();
    run.current_dir(&folder).args(["run", "plan.yaml", "--allow", "read=."]);
    let ended = output(&mut run);
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let output: Value = serde_json::from_str(&stdout(&ended)).unwrap();
    assert_eq!(output["readmes"].as_array().unwrap().len(), 1, "{output}");
}

/// The findings of a kind.
fn findings(examined: &Output, kind: &str) -> Vec<Value> {
    lines(examined).into_iter().filter(|finding| finding["kind"] == kind).collect()
}

#[test]
fn the_doctor_finds_nothing_in_a_fresh_folder() {
    let scene = Scene::new(plans::trip);
    let well = output(scene.holdfast().args(["doctor", "--json"]));
    assert_eq!(well.status.code(), Some(0), "{}", stdout(&well));
    for kind in ["configuration", "data_folder", "server"] {
        assert_eq!(findings(&well, kind)[0]["status"], "ok", "{}", stdout(&well));
    }
    assert_eq!(findings(&well, "disk").len(), 1);
    assert!(findings(&well, "redis").is_empty() && findings(&well, "postgres").is_empty());
    assert!(!scene.plan().with_file_name(".holdfast").exists(), "a look makes nothing");
}

#[test]
fn the_doctor_says_what_mends_a_wrong_url_and_keeps_its_secret() {
    let scene = Scene::new(plans::trip);
    let doctor = || {
        let mut command = scene.holdfast();
        command.arg("doctor").env("HOLDFAST_REDIS__URL", "redis://:hunter2@127.0.0.1:1");
        command.env("HOLDFAST_WORKER__SLOT", "3");
        command
    };
    let ill = output(doctor().arg("--json"));
    assert_eq!(ill.status.code(), Some(1), "{}", stdout(&ill));
    let redis = &findings(&ill, "redis")[0];
    assert_eq!(
        (&redis["status"], &redis["mend"]),
        (&"fail".into(), &"HOLDFAST_REDIS__URL=redis://HOST:6379".into())
    );
    let unknown = &findings(&ill, "configuration")[0];
    assert_eq!(unknown["status"], "warn");
    assert!(unknown["mend"].as_str().unwrap().contains("export HOLDFAST_WORKER__SLOTS="), "{unknown}");
    let told = output(&mut doctor());
    let told = stdout(&told) + &stderr(&told) + &stdout(&ill) + &stderr(&ill);
    assert!(told.contains("mend it: HOLDFAST_REDIS__URL=") && !told.contains("hunter2"), "{told}");
}

#[test]
fn the_doctor_says_what_a_postgresql_may_lose() {
    let scene = Scene::new(plans::trip);
    let postgres = Postgres::start(Flush::Never).unwrap();
    let doctor = || {
        let mut command = scene.holdfast();
        command.args(["doctor", "--json"]).env("HOLDFAST_STORE__URL", postgres.url());
        command
    };
    let ill = output(&mut doctor());
    assert_eq!(ill.status.code(), Some(1), "{}", stdout(&ill));
    let lossy = findings(&ill, "postgres_durability");
    assert_eq!((lossy.len(), &lossy[0]["status"]), (1, &"fail".into()), "{lossy:?}");
    let mend = lossy[0]["mend"].as_str().unwrap();
    assert!(mend.starts_with("ALTER SYSTEM SET fsync = 'on'"), "{mend}");
    let warned = output(doctor().env("HOLDFAST_STORE__ON_LOSS", "warn"));
    assert_eq!(warned.status.code(), Some(0), "{}", stdout(&warned));
    assert_eq!(findings(&warned, "postgres_durability")[0]["status"], "warn");
    for kind in ["postgres", "postgres_clock", "postgres_contents"] {
        assert_eq!(findings(&warned, kind)[0]["status"], "ok", "{}", stdout(&warned));
    }
    // Nothing is there to be removed, and no table is made for it.
    let counted = output(
        scene.holdfast().args(["prune", "--dry-run", "--json"]).env("HOLDFAST_STORE__URL", postgres.url()),
    );
    assert_eq!(counted.status.code(), Some(0), "{}", stderr(&counted));
    assert_eq!(lines(&counted)[0]["tasks"], 0);
    let contents = &findings(&output(&mut doctor()), "postgres_contents")[0]["message"];
    assert!(contents.as_str().unwrap().contains("no tables yet"), "{contents}");
    // One that stands still is waited for, but not for ever.
    postgres.freeze().unwrap();
    let frozen = output(&mut doctor());
    postgres.thaw().unwrap();
    for kind in ["postgres", "postgres_contents"] {
        assert_eq!(findings(&frozen, kind)[0]["status"], "fail", "{}", stdout(&frozen));
    }
}

#[test]
fn the_doctor_says_what_a_redis_does_not_keep() {
    let scene = Scene::new(plans::trip);
    let redis = Redis::start().unwrap();
    let doctor = || {
        let mut command = scene.holdfast();
        command.args(["doctor", "--json"]).env("HOLDFAST_REDIS__URL", redis.url());
        // A machine that is busy is no finding.
        command.env("HOLDFAST_REDIS__TIMEOUT", "4s");
        command
    };
    // Before a table it need not keep anything.
    let well = output(&mut doctor());
    assert_eq!(well.status.code(), Some(0), "{}", stdout(&well));
    for kind in ["redis", "redis_durability", "redis_clock"] {
        assert_eq!(findings(&well, kind)[0]["status"], "ok", "{}", stdout(&well));
    }
    let ill = output(doctor().env("HOLDFAST_REDIS__KEEPS", "everything"));
    assert_eq!(ill.status.code(), Some(1), "{}", stdout(&ill));
    let weaker = findings(&ill, "redis_durability");
    let mends: Vec<_> = weaker.iter().filter_map(|finding| finding["mend"].as_str()).collect();
    assert!(mends.contains(&"redis-cli CONFIG SET appendonly yes"), "{mends:?}");
}

#[test]
fn what_a_dry_run_counts_is_what_goes() {
    let scene = Scene::new(plans::trip);
    let dev = scene.dev();
    let server = dev.server();
    let submitted = output(scene.holdfast().args(["submit", "plan.yaml", "--watch", "--server", &server]));
    assert_eq!(submitted.status.code(), Some(0), "{}", stderr(&submitted));
    let prune = |args: &[&str]| output(scene.holdfast().args(["prune", "--json"]).args(args));
    let data = scene.data().display().to_string();
    let dry = ["--dry-run", "--older-than", "1ms", "--data-dir", &data];
    // The owner of the folder is at work meanwhile.
    wait_until("finished task", GUARD, || {
        let counted = prune(&dry);
        assert_eq!(counted.status.code(), Some(0), "{}", stderr(&counted));
        lines(&counted)[0]["tasks"] == 1
    });
    assert_eq!(lines(&prune(&["--dry-run", "--data-dir", &data]))[0]["tasks"], 0, "it is not old");
    let examined =
        output(scene.holdfast().args(["doctor", "--json", "--server", &server, "--data-dir", &data]));
    assert_eq!(examined.status.code(), Some(0), "{}", stdout(&examined));
    let folder = findings(&examined, "data_folder")[0]["message"].to_string();
    assert!(folder.contains(&format!("in use by process {}", dev.process.pid())), "{folder}");
    assert!(findings(&examined, "server")[0]["message"].as_str().unwrap().contains("answers in"));

    let refused = prune(&["--older-than", "1ms", "--data-dir", &data]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("is using the data folder"), "{}", stderr(&refused));
    let checkpoint = dev.address("checkpoint");
    let nowhere = prune(&["--dry-run", "--checkpoint", &checkpoint]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", stderr(&nowhere));
    let removed = prune(&["--older-than", "1ms", "--checkpoint", &checkpoint]);
    assert_eq!(removed.status.code(), Some(0), "{}", stderr(&removed));
    assert_eq!((&lines(&removed)[0]["tasks"], &lines(&removed)[0]["dry_run"]), (&1.into(), &false.into()));
    let left = output(scene.holdfast().args(["list", "--json", "--server", &server]));
    assert_eq!((left.status.code(), lines(&left).len()), (Some(0), 0));
    drop(dev);
    let none = prune(&["--older-than", "1ms", "--data-dir", &data]);
    assert_eq!(none.status.code(), Some(0), "{}", stderr(&none));
    assert_eq!(lines(&none)[0]["tasks"], 0);
}
