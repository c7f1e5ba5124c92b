//! A folder with a plan, a data folder and a ledger, and what is asked of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use holdfast_testkit::{ChildGuard, running_with};
use tempfile::TempDir;
use trip_worker::Ledger;

use crate::binary::{GUARD, holdfast, output};

/// One effect that really happened.
#[derive(Debug, Clone)]
pub struct Effect {
    pub tool: String,
    pub key: String,
    pub task: String,
}

pub struct Scene {
    folder: TempDir,
}

impl Scene {
    /// Makes the folder; `plan` is given the ledger's path.
    pub fn new(plan: impl FnOnce(&Path) -> String) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(scene.plan(), plan(&scene.ledger())).unwrap();
        scene
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn plan(&self) -> PathBuf {
        self.folder.path().join("plan.yaml")
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The binary in this folder.
    pub fn holdfast(&self) -> Command {
        holdfast(self.folder.path())
    }

    /// `run` of the plan.
    pub fn run(&self) -> Command {
        let mut command = self.holdfast();
        command.arg("run").arg("plan.yaml").arg("--data-dir").arg(self.data());
        command
    }

    /// Runs the plan to its end.
    pub fn run_out(&self) -> Output {
        output(&mut self.run())
    }

    /// `dev` on free ports, with the plan's workers.
    pub fn dev(&self) -> Dev {
        self.start_dev(self.holdfast())
    }

    /// `dev` as before, with a variable in its environment.
    pub fn dev_with(&self, name: &str, value: &str) -> Dev {
        let mut command = self.holdfast();
        command.env(name, value);
        self.start_dev(command)
    }

    fn start_dev(&self, mut command: Command) -> Dev {
        command.arg("dev").arg("plan.yaml").arg("--data-dir").arg(self.data());
        command.args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--print-addresses"]);
        let process = ChildGuard::start(command).unwrap();
        let addresses = process.addresses(GUARD).unwrap();
        Dev { process, addresses }
    }

    /// All effects that the ledger holds.
    pub fn effects(&self) -> Vec<Effect> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ledger = Ledger::open(&self.ledger()).await.unwrap();
            let rows = ledger.rows().await.unwrap();
            ledger.close().await;
            let effect = |row: trip_worker::Row| Effect {
                tool: row.tool.to_string(),
                key: row.key.to_string(),
                task: row.call.task.to_string(),
            };
            rows.into_iter().map(effect).collect()
        })
    }

    /// How often each tool took effect for each task.
    pub fn effects_by_task(&self) -> BTreeMap<(String, String), usize> {
        let mut count = BTreeMap::new();
        for row in self.effects() {
            *count.entry((row.task, row.tool)).or_insert(0) += 1;
        }
        count
    }

    /// Fails where an operation took effect twice.
    pub fn assert_each_effect_once(&self) {
        let mut seen = BTreeMap::new();
        for row in self.effects() {
            let earlier = seen.insert((row.tool.clone(), row.key.clone()), row.clone());
            assert!(earlier.is_none(), "twice: {earlier:?} and {row:?}");
        }
    }

    /// Waits until no local worker is left, nor a guard of one.
    pub fn assert_nothing_runs(&self) {
        let marker = self.ledger().display().to_string();
        wait_until("the end of every program", Duration::from_secs(5), || {
            running_with(&marker).unwrap().is_empty()
        });
    }
}

/// A `dev` that runs.
pub struct Dev {
    pub process: ChildGuard,
    addresses: serde_json::Value,
}

impl Dev {
    pub fn server(&self) -> String {
        format!("http://{}", self.addresses["orchestrator"].as_str().unwrap())
    }

    pub fn address(&self, service: &str) -> String {
        self.addresses[service].as_str().unwrap().to_owned()
    }
}

/// Waits for a condition.
#[allow(clippy::disallowed_methods)] // the pause between two looks at processes, which tell nobody of their end
pub fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = SystemClock.boot().after(within);
    while !condition() {
        assert!(!deadline.since(SystemClock.boot()).is_zero(), "no {what} within {within:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets a moment pass at which something is to be killed.
#[allow(clippy::disallowed_methods)] // a seeded moment is what is tested; nothing is waited for
pub fn let_pass(moment: Duration) {
    std::thread::sleep(moment);
}
