//! The platform spread out: every role in a process of its own, over a private PostgreSQL and a private Redis.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast_testkit::{ChildGuard, Flush, Postgres, Redis, Sign};
use serde_json::Value;

use crate::binary::{GUARD, lines, output, stderr};
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

/// A role of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Checkpoint,
    Health,
    Idempotency,
    Worker,
    Orchestrator,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Health => "health",
            Self::Idempotency => "idempotency",
            Self::Worker => "worker",
            Self::Orchestrator => "orchestrator",
        }
    }
}

struct Member {
    role: Role,
    address: String,
    process: ChildGuard,
}

/// A platform of two orchestrators, two workers, and one of every other role.
pub struct Cluster {
    pub scene: Scene,
    pub postgres: Postgres,
    pub redis: Redis,
    members: Vec<Member>,
    guarded: Guarded,
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

    /// Starts all of it, with tokens or certificates.
    pub fn start_guarded(scene: Scene, guarded: Guarded) -> Self {
        let (postgres, redis) = (Postgres::start(Flush::Never).unwrap(), Redis::start().unwrap());
        let mut cluster = Self { scene, postgres, redis, members: Vec::new(), guarded };
        use Role::{Checkpoint, Health, Idempotency, Orchestrator, Worker};
        for role in [Checkpoint, Health, Idempotency, Worker, Worker, Orchestrator, Orchestrator] {
            cluster.add(role);
        }
        cluster
    }

    fn add(&mut self, role: Role) {
        let (process, address) = self.launch(role, "127.0.0.1:0");
        self.members.push(Member { role, address, process });
    }

    fn launch(&self, role: Role, listen: &str) -> (ChildGuard, String) {
        let mut command = self.command(role);
        command.args(["--listen", listen, "--print-addresses"]);
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        command.stderr(log);
        let process = ChildGuard::start(command).unwrap();
        let said = process.addresses(GUARD).unwrap_or_else(|error| panic!("{error}\n{}", self.logged()));
        (process, said[role.name()].as_str().unwrap().to_owned())
    }

    fn command(&self, role: Role) -> Command {
        let mut command = self.scene.holdfast();
        command.envs(QUICK).envs(self.guarded.members.iter().cloned());
        command.env("HOLDFAST_STORE__URL", self.postgres.url()).env("HOLDFAST_REDIS__URL", self.redis.url());
        for (role, variable) in [
            (Role::Checkpoint, "HOLDFAST_JOIN__CHECKPOINT"),
            (Role::Idempotency, "HOLDFAST_JOIN__IDEMPOTENCY"),
            (Role::Health, "HOLDFAST_JOIN__HEALTH"),
        ] {
            command.env(variable, self.addresses(role).join(","));
        }
        match role {
            Role::Worker => {
                command.args(["example", "trip-worker", "--ledger"]).arg(self.scene.ledger());
                command.args(SLOWLY)
            }
            role => command.args(["serve", role.name()]),
        };
        command
    }

    fn log(&self) -> std::path::PathBuf {
        self.scene.data().with_extension("log")
    }

    /// What all members wrote to stderr.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
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
        self.members.iter().filter(|member| member.role == role).map(|m| m.address.clone()).collect()
    }

    fn nth(&mut self, role: Role, which: usize) -> &mut Member {
        self.members.iter_mut().filter(|member| member.role == role).nth(which).unwrap()
    }

    /// SIGKILL.
    pub fn kill(&mut self, role: Role, which: usize) {
        self.nth(role, which).process.kill().unwrap();
    }

    /// Starts a member again that was killed, where its peers look for it.
    pub fn start_again(&mut self, role: Role, which: usize) {
        let address = self.nth(role, which).address.clone();
        let (process, _) = self.launch(role, &address);
        self.nth(role, which).process = process;
    }

    /// Sends a signal to a member.
    pub fn send(&mut self, role: Role, which: usize, sign: Sign) {
        self.nth(role, which).process.send(sign).unwrap();
    }

    /// Waits for the end of a member that was told to stop.
    pub fn ended(&mut self, role: Role, which: usize) {
        assert!(self.nth(role, which).process.wait(GUARD).unwrap().success(), "{}", self.logged());
    }

    fn server(&self, which: usize) -> String {
        let scheme = self.guarded.scheme.unwrap_or("http://");
        format!("{scheme}{}", self.addresses(Role::Orchestrator)[which])
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

    /// Waits until a task has ended, whichever orchestrator says so; returns its outcome.
    pub fn outcome(&self, task: &str) -> String {
        let mut outcome = String::new();
        wait_until_or(self, &format!("end of {task}"), || {
            let known = (0..2).find_map(|which| self.get(which, task));
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
