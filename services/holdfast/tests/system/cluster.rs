//! The platform spread out: every role in a process of its own, over a private PostgreSQL and a private Redis.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub use holdfast_testkit::Role;
use holdfast_testkit::{Flush, Members, Postgres, Proxy, Redis, Setting, Sign};
use serde_json::Value;

use crate::binary::{self, GUARD, lines, metrics_at, output, stderr};
use crate::scene::{Scene, wait_until};

/// Settings that make a lost member show in seconds; their proportions are the defaults'.
const QUICK: [(&str, &str); 6] = [
    // The private server does not wait for the disk, which no test here takes away.
    ("HOLDFAST_STORE__ON_LOSS", "warn"),
    ("HOLDFAST_STORE__LEASE", "2s"),
    ("HOLDFAST_ORCHESTRATOR__RENEW_EVERY", "500ms"),
    ("HOLDFAST_ORCHESTRATOR__LEASE_MARGIN", "500ms"),
    ("HOLDFAST_ORCHESTRATOR__BEGIN_WITHIN", "1s"),
    ("HOLDFAST_TELEMETRY__LOG", "warn"),
];

/// Answers that come some time after their effect: a blow meets a task in the middle of its work.
const SLOWLY: [&str; 4] = ["--fail", "chain_step:*=late=50ms", "--fail", "fan_item:*=late=1s"];

/// Longer than a member's lease: whoever stands still for so long has lost what it held.
pub const BEYOND_THE_LEASE: Duration = Duration::from_secs(3);

/// A platform of two orchestrators, two workers, and one of every other role.
pub struct Cluster {
    pub scene: Scene,
    pub postgres: Postgres,
    pub redis: Redis,
    members: Members,
    guarded: Guarded,
}

/// What differs between clusters.
struct Shape {
    orchestrators: usize,
    workers: usize,
    /// The command of a worker.
    worker: Vec<OsString>,
}

/// What a cluster asks of those who call.
#[derive(Debug, Clone, Default)]
pub struct Guarded {
    /// What members are configured with, besides.
    pub members: Vec<(&'static str, String)>,
    /// What callers are.
    pub callers: Vec<(&'static str, String)>,
    /// Before the addresses of the published port; none: `http://`.
    pub scheme: Option<&'static str>,
}

impl Cluster {
    /// Starts all of it; `plan` is given the ledger's path.
    pub fn start(plan: impl FnOnce(&Path) -> String) -> Self {
        Self::start_guarded(Scene::new(plan), Guarded::default())
    }

    /// Starts all of it, with more in every member's environment.
    pub fn start_with(more: Vec<(&'static str, String)>, plan: impl FnOnce(&Path) -> String) -> Self {
        Self::start_guarded(Scene::new(plan), Guarded { members: more, ..Guarded::default() })
    }

    /// Starts all of it, with tokens or certificates.
    pub fn start_guarded(scene: Scene, guarded: Guarded) -> Self {
        let mut worker = ["example", "trip-worker", "--ledger"].map(OsString::from).to_vec();
        worker.push(scene.ledger().into());
        worker.extend(SLOWLY.map(OsString::from));
        Self::start_shaped(scene, guarded, Shape { orchestrators: 2, workers: 2, worker })
    }

    /// Starts so many orchestrators, and one worker with the built-in tools, which may call this machine.
    pub fn start_calling(orchestrators: usize, plan: &str) -> Self {
        Self::start_calling_with(orchestrators, 1, Vec::new(), plan)
    }

    /// Starts so many of each, with more in every member's environment.
    pub fn start_calling_with(
        orchestrators: usize,
        workers: usize,
        members: Vec<(&'static str, String)>,
        plan: &str,
    ) -> Self {
        let worker = ["serve", "worker", "--allow", "host=127.0.0.1"];
        let worker = worker.map(OsString::from).to_vec();
        let shape = Shape { orchestrators, workers, worker };
        let guarded = Guarded { members, ..Guarded::default() };
        Self::start_shaped(Scene::new(|_| plan.to_owned()), guarded, shape)
    }

    fn start_shaped(scene: Scene, guarded: Guarded, shape: Shape) -> Self {
        let (postgres, redis) = (Postgres::start(Flush::Never).unwrap(), Redis::start().unwrap());
        let mut environment = QUICK.map(|(name, value)| (name, value.to_owned())).to_vec();
        environment.extend(guarded.members.iter().cloned());
        environment.push(("HOLDFAST_STORE__URL", postgres.url()));
        environment.push(("HOLDFAST_REDIS__URL", redis.url()));
        let Shape { orchestrators, workers, worker } = shape;
        let mut members = Members::new(Setting {
            binary: binary::path().to_owned(),
            folder: scene.folder().to_owned(),
            log: scene.data().with_extension("log"),
            environment,
            worker,
        });
        use Role::{Checkpoint, Health, Idempotency, Orchestrator, Worker};
        let alone = [Checkpoint, Health, Idempotency].into_iter();
        let many =
            std::iter::repeat_n(Worker, workers).chain(std::iter::repeat_n(Orchestrator, orchestrators));
        for role in alone.chain(many) {
            members.add(role).unwrap();
        }
        Self { scene, postgres, redis, members, guarded }
    }

    /// What all members wrote to stderr.
    pub fn logged(&self) -> String {
        self.members.logged()
    }

    /// What it asks of those who call.
    pub const fn guarded(&self) -> &Guarded {
        &self.guarded
    }

    /// A command of a caller's.
    pub fn caller(&self) -> Command {
        let mut command = self.scene.holdfast();
        command.envs(self.guarded.callers.iter().cloned());
        command
    }

    /// Where the members of a role listen.
    pub fn addresses(&self, role: Role) -> Vec<String> {
        self.members.addresses(role).map(str::to_owned).collect()
    }

    /// SIGKILL.
    pub fn kill(&mut self, role: Role, which: usize) {
        self.members.kill(role, which).unwrap();
    }

    /// Starts a member again that was killed, where its peers look for it.
    pub fn start_again(&mut self, role: Role, which: usize) {
        self.members.start_again(role, which).unwrap();
    }

    /// What Prometheus reads of all replicas of a role.
    pub fn metrics(&self, role: Role) -> Vec<String> {
        self.members.metrics(role).map(metrics_at).collect()
    }

    /// Has an orchestrator reach `checkpoint` over a wire that can be cut; its workers it reaches as before.
    pub fn put_behind_a_wire(&mut self, which: usize) -> Proxy {
        let wire = Proxy::start(self.addresses(Role::Checkpoint).remove(0)).unwrap();
        self.kill(Role::Orchestrator, which);
        let over = [("HOLDFAST_JOIN__CHECKPOINT", wire.address().to_string())];
        self.members.start_again_with(Role::Orchestrator, which, &over).unwrap();
        wire
    }

    /// Sends a signal to a member.
    pub fn send(&mut self, role: Role, which: usize, sign: Sign) {
        self.members.send(role, which, sign).unwrap();
    }

    /// Waits for the end of a member that was told to stop.
    pub fn ended(&mut self, role: Role, which: usize) {
        assert!(self.members.wait(role, which, GUARD).unwrap().success(), "{}", self.logged());
    }

    fn server(&self, which: usize) -> String {
        let scheme = self.guarded.scheme.unwrap_or("http://");
        format!("{scheme}{}", self.members.address(Role::Orchestrator, which).unwrap())
    }

    /// Submits the plan at an orchestrator, once that knows the plan's tools; returns the task's id.
    pub fn submit(&self, which: usize) -> String {
        let server = self.server(which);
        let plan = self.scene.plan();
        let mut task = String::new();
        wait_until_or(self, "submission", || {
            let submitted = output(self.caller().args(["submit", "--json", "--server", &server]).arg(&plan));
            if submitted.status.success() {
                task = lines(&submitted)[0]["task"]["task_id"].as_str().unwrap().to_owned();
            } else {
                // Workers that have registered are known to an orchestrator a moment later.
                assert!(stderr(&submitted).contains("unknown tool"), "{}", stderr(&submitted));
            }
            submitted.status.success()
        });
        task
    }

    /// Asks an orchestrator for a task; none where it does not answer.
    pub fn get(&self, which: usize, task: &str) -> Option<Value> {
        let server = self.server(which);
        let got = output(self.caller().args(["get", task, "--json", "--server", &server]));
        got.status.success().then(|| lines(&got).remove(0))
    }

    /// The events of a task, as an orchestrator shows them.
    pub fn history(&self, which: usize, task: &str) -> Vec<Value> {
        let server = self.server(which);
        let history = output(self.scene.holdfast().args(["history", task, "--json", "--server", &server]));
        assert!(history.status.success(), "{}", stderr(&history));
        lines(&history)
    }

    /// How many lives a task has had.
    pub fn lives(&self, which: usize, task: &str) -> usize {
        self.history(which, task).iter().filter(|event| event["kind"] == "life_started").count()
    }

    /// Waits until a task has ended, whichever orchestrator says so; returns its outcome.
    pub fn outcome(&self, task: &str) -> String {
        self.outcome_at(&[0, 1], task)
    }

    /// Waits until one of some orchestrators says that a task has ended; returns its outcome.
    pub fn outcome_at(&self, asked: &[usize], task: &str) -> String {
        let mut outcome = String::new();
        wait_until_or(self, &format!("end of {task}"), || {
            let known = asked.iter().find_map(|which| self.get(*which, task));
            let Some(known) = known else { return false };
            assert!(known["pending"].as_array().is_none_or(Vec::is_empty), "a person is asked: {known}");
            outcome = known["outcome"].as_str().unwrap_or_default().to_owned();
            !outcome.is_empty() && !outcome.ends_with("UNSPECIFIED")
        });
        outcome
    }

    /// Waits until the world has seen so many effects of a task.
    pub fn until_effects(&self, task: &str, count: usize) {
        wait_until_or(self, &format!("effect {count} of {task}"), || {
            self.scene.effects().iter().filter(|effect| effect.task == task).count() >= count
        });
    }

    /// Where the first orchestrator answers.
    pub fn any_server(&self) -> String {
        self.server(0)
    }

    /// Waits until an orchestrator's health check says whether it wants calls.
    pub fn until_serving(&self, which: usize, serving: Serving) {
        let server = self.server(which);
        wait_until_or(self, &format!("health check: {serving:?}"), || {
            let pinged = output(self.caller().args(["ping", "--server", &server]));
            pinged.status.success() == (serving == Serving::Yes)
        });
    }

    /// Waits until the members have written something to stderr; returns its line.
    pub fn until_logged(&self, text: &str) -> String {
        let mut found = None;
        wait_until_or(self, text, || {
            found = self.logged().lines().find(|line| line.contains(text)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_default()
    }
}

/// What a health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    Yes,
    No,
}

/// Waits for a condition; where it does not come, what the members wrote is shown.
fn wait_until_or(cluster: &Cluster, what: &str, condition: impl FnMut() -> bool) {
    let waited =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_until(what, GUARD, condition)));
    if let Err(panic) = waited {
        eprintln!("{}", cluster.logged());
        std::panic::resume_unwind(panic);
    }
}
