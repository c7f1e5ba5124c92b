//! `process_exec` and its guard, with real programs.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use holdfast_ports::ExecuteStream;
use holdfast_runtime::{Clock, Ids, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_testkit::{ChildGuard, Folder, running_with};
use holdfast_types::worker::{CallOutcome, CallRef, Execute, ExecuteEvent};
use holdfast_types::{Class, Effect, Key, Namespace, Payload, Reason, SideEffect, TaskId};
use holdfast_worker::config::Grants;
use holdfast_worker::{Config, Deps, GuardCommand, Worker};
use serde_json::{Value, json};

/// The example that is a worker and its guard.
fn guard_host() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/guard_host")
}

fn worker(grants: Grants) -> Worker {
    let deps = Deps {
        clock: Arc::new(SystemClock),
        ids: Ids::system(),
        blobs: None,
        keys: None,
        guard: GuardCommand { program: guard_host(), args: vec!["guard".to_owned()] },
        metrics: Metrics::no_op(),
    };
    Worker::new(Config { grants, ..Config::default() }, deps, Vec::new()).unwrap()
}

fn granted(programs: &[&str]) -> Worker {
    worker(Grants { exec: programs.iter().map(|name| (*name).to_owned()).collect(), ..Grants::default() })
}

fn request(worker: &Worker, args: Value) -> Execute {
    Execute {
        worker: worker.id(),
        call: CallRef { task: TaskId::new(1, [1; 10]), call: "run".parse().unwrap() },
        attempt: 1,
        epoch: 1,
        not_after: SystemClock.now().after(Duration::from_secs(60)),
        timeout: Duration::from_secs(60),
        namespace: Namespace::default(),
        tool: "process_exec".parse().unwrap(),
        args: Payload::Json(args),
        key: Key::try_new("default/process_exec/call/1").unwrap(),
        token: 1,
        side_effect: None,
    }
}

async fn start(worker: &Worker, args: Value) -> ExecuteStream {
    worker.tools().execute(request(worker, args)).await.unwrap()
}

async fn end(mut stream: ExecuteStream) -> CallOutcome {
    while let Some(event) = stream.next().await {
        if let ExecuteEvent::Finished(outcome) = event.unwrap() {
            return outcome;
        }
    }
    panic!("a stream has an end");
}

async fn run(programs: &[&str], args: Value) -> CallOutcome {
    end(start(&granted(programs), args).await).await
}

/// A number of seconds that no other process sleeps.
fn marker(number: u32) -> String {
    format!("{}.{number:03}", 100_000 + std::process::id())
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

#[tokio::test]
async fn a_program_gets_its_arguments_input_and_environment_and_no_more() {
    let script = "read line; echo \"$1 $line $GREETING ${HOME-no home} ${LANG-}\"; echo oops >&2; pwd";
    let folder = Folder::new().unwrap();
    let path = folder.path().canonicalize().unwrap().display().to_string();
    let grants = Grants { exec: vec!["sh".into()], read: vec![path.clone()], ..Grants::default() };
    let args = json!({
        "program": "sh", "args": ["-c", script, "sh", "$HOME"], "stdin": "hello\n",
        "env": {"GREETING": "hi", "LANG": "C"}, "cwd": path,
    });
    let done = end(start(&worker(grants), args).await).await.unwrap();
    let result = done.result.as_json().unwrap().clone();
    assert_eq!(result["stdout"], format!("$HOME hello hi no home C\n{path}\n"));
    assert_eq!((&result["stderr"], &result["exit_code"]), (&json!("oops\n"), &json!(0)));
}

#[tokio::test]
async fn ends_of_programs_mean_what_they_are() {
    let sh = |script: &str| json!({"program": "sh", "args": ["-c", script]});
    let cases = [
        (sh("echo no such file >&2; exit 3"), Class::Semantic, Reason::ExitCode, Effect::Executed),
        (sh("kill -9 $$"), Class::Ambiguous, Reason::ExitCode, Effect::Unknown),
        (sh("printf '\\377\\376'"), Class::Semantic, Reason::BadResult, Effect::Executed),
        (
            json!({"program": "sh", "args": ["-c", "echo 12345"], "max_output": 5}),
            Class::Semantic,
            Reason::TooLarge,
            Effect::Executed,
        ),
        (json!({"program": "cat"}), Class::Permanent, Reason::NotGranted, Effect::NotExecuted),
        (json!({"program": "sh", "cwd": "/"}), Class::Permanent, Reason::NotGranted, Effect::NotExecuted),
        (json!({"program": "no-such"}), Class::Semantic, Reason::NotFound, Effect::NotExecuted),
    ];
    for (args, class, reason, effect) in cases {
        let failure = run(&["sh", "no-such"], args.clone()).await.unwrap_err();
        assert_eq!((failure.class, failure.reason, failure.effect), (class, reason, effect), "{args}");
    }
    let failure = run(&["sh"], sh("echo no such file >&2; exit 3")).await.unwrap_err();
    assert!(failure.message.contains("code 3") && failure.message.contains("no such file"), "{failure}");
    assert_eq!(failure.details["exit_code"], "3");
}

#[tokio::test]
async fn a_program_that_its_plan_calls_harmless_runs_again_after_a_timeout() {
    let folder = Folder::new().unwrap();
    let been_here = folder.path().join("been_here").display().to_string();
    let script = "test -e \"$1\" && echo done && exit; : > \"$1\"; exec sleep 60";
    let args = json!({"program": "sh", "args": ["-c", script, "sh", been_here]});
    let worker = granted(&["sh"]);
    let request = request(&worker, args);
    let request =
        Execute { side_effect: Some(SideEffect::ReadOnly), timeout: Duration::from_secs(2), ..request };
    let failure = end(worker.tools().execute(request.clone()).await.unwrap()).await.unwrap_err();
    assert_eq!((failure.reason, failure.effect), (Reason::AttemptTimeout, Effect::NotExecuted));
    let again = Execute { attempt: 2, ..request };
    let done = end(worker.tools().execute(again).await.unwrap()).await.unwrap();
    assert_eq!(done.result.as_json().unwrap()["stdout"], "done\n");
}

#[tokio::test]
async fn a_program_that_can_not_be_started_has_provably_not_run() {
    let folder = Folder::new().unwrap();
    let broken = folder.write("broken", "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let name = broken.display().to_string();
    let failure = run(&[&name], json!({"program": name})).await.unwrap_err();
    assert_eq!((failure.class, failure.effect), (Class::Permanent, Effect::NotExecuted));
}

#[tokio::test]
async fn large_input_and_output_do_not_block_each_other() {
    let input = "x".repeat(700_000);
    let done = run(&["cat"], json!({"program": "cat", "stdin": input})).await.unwrap();
    let blob_or_text = done.result.as_json().unwrap()["stdout"].as_str().unwrap().len();
    assert_eq!(blob_or_text, 700_000);
    run(&["true"], json!({"program": "true", "stdin": input}))
        .await
        .expect("a program need not read its input");
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_its_call() {
    let (child, daemon) = (marker(1), marker(2));
    let script = format!("sleep {child} & setsid sh -c 'sleep {daemon} & sleep {daemon}' & echo started");
    let done = run(&["sh"], json!({"program": "sh", "args": ["-c", script]})).await.unwrap();
    assert_eq!(done.result.as_json().unwrap()["stdout"], "started\n");
    assert_eq!(running_with(&child).unwrap(), Vec::<u32>::new());
    assert_eq!(running_with(&daemon).unwrap(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_is_answered_when_its_program_is_dead() {
    let nap = marker(3);
    let worker = granted(&["sh"]);
    let script = format!("trap '' TERM; setsid sleep {nap} & sleep {nap}");
    let stream = start(&worker, json!({"program": "sh", "args": ["-c", script]})).await;
    wait_until("both sleeps", || running_with(&format!("sleep {nap}")).unwrap().len() >= 3);
    let call = CallRef { task: TaskId::new(1, [1; 10]), call: "run".parse().unwrap() };
    worker.tools().cancel(worker.id(), call, 1, "enough").await.unwrap();
    let failure = end(stream).await.unwrap_err();
    assert_eq!((failure.reason, failure.effect), (Reason::CancelledByCaller, Effect::Unknown));
    assert_eq!(running_with(&nap).unwrap(), Vec::<u32>::new());
}

#[test]
fn no_program_outlives_a_killed_worker() {
    let nap = marker(4);
    let script = format!("sleep {nap} & setsid sh -c 'sleep {nap} & sleep {nap}' & sleep {nap}");
    for moment in [0, 1, 3, 10, 100] {
        let mut command = Command::new(guard_host());
        command.args(["sh", "-c", &script]);
        let mut worker = ChildGuard::start(command).unwrap();
        if moment == 100 {
            // The guard, three shells and their sleeps.
            wait_until("all sleeps", || running_with(&nap).unwrap().len() >= 7);
        } else {
            wait_until("the guard", || running_with(&nap).unwrap().len() >= 2);
            std::thread::park_timeout(Duration::from_millis(moment));
        }
        worker.kill().unwrap();
        wait_until("the end of all programs", || running_with(&nap).unwrap().is_empty());
    }
}

#[test]
fn a_guard_is_not_killed_with_all_workers_by_name() {
    let nap = marker(6);
    let mut command = Command::new(guard_host());
    command.args(["sleep", &nap]);
    let mut worker = ChildGuard::start(command).unwrap();
    let named_guard = |pid: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == "hf-guard"
    };
    wait_until("a guard of that name", || running_with(&nap).unwrap().iter().any(named_guard));
    worker.kill().unwrap();
    wait_until("the end of the program", || running_with(&nap).unwrap().is_empty());
}

#[test]
fn a_guard_without_a_worker_starts_nothing() {
    let nap = marker(5);
    let mut command = Command::new(guard_host());
    command.args(["guard", "--", "sleep", &nap]).stdin(std::process::Stdio::null());
    assert!(!command.output().unwrap().status.success());
    assert!(running_with(&nap).unwrap().is_empty());
}
