//! The tools over files, through a worker.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use holdfast_runtime::{Clock, Ids, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_testkit::Folder;
use holdfast_types::worker::{CallOutcome, CallRef, Execute, ExecuteEvent};
use holdfast_types::{Effect, Failure, Key, Namespace, Payload, Reason, TaskId};
use holdfast_worker::config::Grants;
use holdfast_worker::{Config, Deps, GuardCommand, Worker};
use serde_json::{Value, json};

struct Files {
    worker: Worker,
    folder: Folder,
    calls: AtomicU32,
}

impl Files {
    fn new() -> Self {
        let folder = Folder::new().unwrap();
        let root = folder.path().join("root").display().to_string();
        std::fs::create_dir(&root).unwrap();
        let deps = Deps {
            clock: Arc::new(SystemClock),
            ids: Ids::system(),
            blobs: None,
            keys: None,
            guard: GuardCommand::default(),
            metrics: Metrics::no_op(),
        };
        let grants = Grants { read: vec![root.clone()], write: vec![root], ..Grants::default() };
        let worker = Worker::new(Config { grants, ..Config::default() }, deps, Vec::new()).unwrap();
        Self { worker, folder, calls: AtomicU32::new(0) }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join("root").join(name).display().to_string()
    }

    async fn outcome(&self, tool: &str, args: Value) -> CallOutcome {
        let index = self.calls.fetch_add(1, Ordering::SeqCst);
        let call = Execute {
            worker: self.worker.id(),
            call: CallRef { task: TaskId::new(1, [1; 10]), call: format!("run[{index}]").parse().unwrap() },
            attempt: 1,
            epoch: 1,
            not_after: SystemClock.now().after(Duration::from_secs(60)),
            timeout: Duration::from_secs(60),
            namespace: Namespace::default(),
            tool: tool.parse().unwrap(),
            args: Payload::Json(args),
            key: Key::try_new("default/files/call/1").unwrap(),
            token: 1,
            side_effect: None,
        };
        let mut events = self.worker.tools().execute(call).await.unwrap();
        match events.next().await.unwrap().unwrap() {
            ExecuteEvent::Finished(outcome) => outcome,
            ExecuteEvent::Heartbeat(_) => panic!("files are quick"),
        }
    }

    async fn ok(&self, tool: &str, args: Value) -> Value {
        self.outcome(tool, args).await.unwrap().result.as_json().unwrap().clone()
    }

    async fn refused(&self, tool: &str, args: Value) -> Failure {
        let failure = self.outcome(tool, args).await.unwrap_err();
        assert_eq!(failure.effect, Effect::NotExecuted, "{failure}");
        failure
    }
}

#[tokio::test]
async fn a_file_is_written_whole_and_read_back() {
    let files = Files::new();
    let path = files.path("report.txt");
    for content in ["first", "", "zweiter ✓"] {
        let written = files.ok("file_write", json!({"path": path, "content": content})).await;
        assert_eq!(written, json!({"path": path, "size": content.len()}));
        let read = files.ok("file_read", json!({"path": path})).await;
        assert_eq!(read["content"], content);
    }
    let listed = files.ok("file_list", json!({"path": files.path("")})).await;
    assert_eq!(listed["entries"].as_array().unwrap().len(), 1, "no draft is left behind");
}

#[tokio::test]
async fn a_list_is_sorted_whole_and_shows_paths_as_they_were_asked_for() {
    let files = Files::new();
    for name in ["b/2.txt", "b/1.txt", "a.txt", "b-side.txt", ".hidden"] {
        files.folder.write(format!("root/{name}"), name).unwrap();
    }
    symlink("/etc", files.path("link")).unwrap();
    let root = files.path("");
    let listed = files.ok("file_list", json!({"path": root, "recursive": true, "kind": "FILE"})).await;
    let paths: Vec<&str> =
        listed["entries"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    let expected: Vec<String> = [".hidden", "a.txt", "b-side.txt", "b/1.txt", "b/2.txt"]
        .iter()
        .map(|name| files.path(name))
        .collect();
    assert_eq!(paths, expected, "links are not followed");
    assert_eq!(listed["entries"][4], json!({"path": files.path("b/2.txt"), "kind": "FILE", "size": 7}));
    let all = files.ok("file_list", json!({"path": root})).await;
    let kinds: Vec<&str> =
        all["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["FILE", "FILE", "FOLDER", "FILE", "LINK"]);
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_without_an_effect() {
    let files = Files::new();
    files.folder.write("outside", "secret").unwrap();
    files.folder.write("root/binary", [0xff, 0xfe]).unwrap();
    files.folder.write("root/large", vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let outside = files.folder.path().join("outside").display().to_string();
    symlink(&outside, files.path("link")).unwrap();
    let cases = [
        ("file_read", json!({"path": outside}), Reason::NotGranted),
        ("file_read", json!({"path": files.path("link")}), Reason::NotGranted),
        ("file_read", json!({"path": files.path("../outside")}), Reason::NotGranted),
        ("file_read", json!({"path": files.path("nothing")}), Reason::NotFound),
        ("file_read", json!({"path": files.path("binary")}), Reason::BadResult),
        ("file_read", json!({"path": files.path("large")}), Reason::TooLarge),
        ("file_read", json!({"path": files.path("")}), Reason::FailedPrecondition),
        ("file_write", json!({"path": outside, "content": ""}), Reason::NotGranted),
        ("file_write", json!({"path": files.path("no/where"), "content": ""}), Reason::NotFound),
        ("file_list", json!({"path": "/etc"}), Reason::NotGranted),
        ("file_list", json!({"path": files.path("binary")}), Reason::FailedPrecondition),
        ("file_list", json!({"path": files.path(""), "kind": "file"}), Reason::BadArguments),
    ];
    for (tool, args, reason) in cases {
        assert_eq!(files.refused(tool, args.clone()).await.reason, reason, "{tool} {args}");
    }
    files.ok("file_write", json!({"path": files.path("link"), "content": "mine"})).await;
    let untouched = std::fs::read_to_string(files.folder.path().join("outside")).unwrap();
    assert_eq!(untouched, "secret", "a link is replaced, never followed");
}
