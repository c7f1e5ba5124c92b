//! The platform in containers: brought up, struck, and taken down.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::certificates;
use super::docker::{Docker, docker, output};
use super::plans;
use crate::run::{root, run};

/// How long anything may take before it counts as not coming: many times what it takes.
pub(crate) const GUARD: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The folder of the certificates, beside the plans.
const CERTIFICATES: &str = "certificates";

/// A container of a service, by its number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member(pub(crate) &'static str, pub(crate) u32);

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// A platform that is up. It is taken down when it is dropped.
pub(crate) struct Platform<'a> {
    docker: &'a Docker,
    /// Of this workspace alone, so that two of them on one engine don't meet.
    project: String,
    /// The published ports of the API and of Jaeger.
    ports: (u16, u16),
    /// What differs from the compose file, and the plans.
    folder: tempfile::TempDir,
    binary: PathBuf,
    security: Security,
    token: String,
}

/// What callers and roles speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    /// With `deploy/compose.tls.yml`.
    Tls,
}

impl<'a> Platform<'a> {
    /// Brings it up from nothing, and reads the API's token where its users do.
    pub(crate) fn up(docker: &'a Docker, binary: PathBuf, security: Security) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a temporary folder")?;
        std::fs::write(folder.path().join("test.yml"), changes()).context("write what differs")?;
        std::fs::write(folder.path().join("chain.yaml"), plans::chain()).context("write the plan")?;
        let (ports, project) = ((free_port()?, free_port()?), project());
        certificates::make(&folder.path().join(CERTIFICATES))?;
        let token = String::new();
        let mut platform = Self { docker, project, ports, folder, binary, security, token };
        // What an interrupted run has left. `docker-compose` 1.29 can't recreate containers on a newer engine, either.
        run(&mut platform.compose(&["down", "--volumes", "--remove-orphans"]))?;
        run(&mut platform.compose(&["up", "--detach"]))?;
        let said = output(&mut platform.compose(&["logs", "--no-color", "init"]))?;
        let (_, token) = said.split_once("HOLDFAST_AUTH__API_TOKEN=").context("init shows no token")?;
        platform.token = token.split_whitespace().next().unwrap_or_default().to_owned();
        platform.until_healthy()?;
        Ok(platform)
    }

    /// A call of compose on this platform.
    pub(crate) fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker.compose(&root());
        command.args(["--project-name", &self.project, "--file", "docker-compose.yml"]);
        if self.security == Security::Tls {
            command.args(["--file", "deploy/compose.tls.yml"]);
            command.env("HOLDFAST_CERTS", self.folder.path().join(CERTIFICATES));
        }
        command
            .args(["--file", "deploy/compose.local.yml", "--file"])
            .arg(self.folder.path().join("test.yml"));
        command.args(arguments);
        command.env("HOLDFAST_PORT", self.ports.0.to_string()).env("JAEGER_PORT", self.ports.1.to_string());
        command
    }

    /// A call of the binary on this machine, with the token or without.
    pub(crate) fn client(&self, token: Token) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOLDFAST_") {
                command.env_remove(name);
            }
        }
        command.env("HOLDFAST_SERVER", self.server(self.security));
        if self.security == Security::Tls {
            command.env("HOLDFAST_TLS__CA", self.folder.path().join(CERTIFICATES).join("ca.pem"));
        }
        if token == Token::Shown {
            command.env("HOLDFAST_AUTH__API_TOKEN", &self.token);
        }
        command
    }

    /// The published port, as callers who speak TLS dial it, and as others do.
    pub(crate) fn server(&self, security: Security) -> String {
        let scheme = match security {
            Security::Plain => "http",
            Security::Tls => "https",
        };
        format!("{scheme}://{}:{}", certificates::NAME, self.ports.0)
    }

    /// The file of the chain.
    pub(crate) fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.yaml")
    }

    /// Every container of a service that runs.
    pub(crate) fn containers(&self, service: &str) -> Result<Vec<String>> {
        let (project, service) = (label("project", &self.project), label("service", service));
        let found = docker(&["ps", "--quiet", "--filter", &project, "--filter", &service])?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    /// A member's container, whether it runs or not.
    pub(crate) fn container(&self, member: Member) -> Result<String> {
        let filters = [
            label("project", &self.project),
            label("service", member.0),
            label("container-number", &member.1.to_string()),
        ];
        let mut arguments = vec!["ps", "--all", "--quiet"];
        arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter.as_str()]));
        let found = docker(&arguments)?;
        found.lines().next().map(str::to_owned).with_context(|| format!("there is no {member}"))
    }

    /// SIGKILL, as a crash would have it: the engine takes no part in it, and starts the container again by its policy.
    pub(crate) fn kill(&self, member: Member) -> Result<()> {
        let container = self.container(member)?;
        let process = docker(&["inspect", "--format", "{{.State.Pid}}", &container])?;
        let kill =
            ["run", "--rm", "--pid=host", "--user=0", "holdfast-local/base", "kill", "-9", process.trim()];
        docker(&kill).map(drop)
    }

    /// Stops a member in good order; it stays away.
    pub(crate) fn stop(&self, member: Member) -> Result<()> {
        docker(&["stop", &self.container(member)?]).map(drop)
    }

    /// Stops a member in good order, and starts it again.
    pub(crate) fn restart(&self, member: Member) -> Result<()> {
        docker(&["restart", &self.container(member)?]).map(drop)
    }

    /// Takes a member off a network.
    pub(crate) fn cut(&self, member: Member, network: &str) -> Result<()> {
        let network = format!("{}_{network}", self.project);
        docker(&["network", "disconnect", &network, &self.container(member)?]).map(drop)
    }

    /// Puts it back, under its service's name.
    pub(crate) fn heal(&self, member: Member, network: &str) -> Result<()> {
        let network = format!("{}_{network}", self.project);
        docker(&["network", "connect", "--alias", member.0, &network, &self.container(member)?]).map(drop)
    }

    /// Waits until every container that runs is healthy, as far as it is checked, and the gateway has an orchestrator.
    pub(crate) fn until_healthy(&self) -> Result<()> {
        let project = label("project", &self.project);
        wait_until("health of every container", || {
            // Those that are not well, and those that are about to be started again.
            for state in ["health=starting", "health=unhealthy", "status=restarting", "status=created"] {
                if !docker(&["ps", "--all", "--quiet", "--filter", &project, "--filter", state])?.is_empty() {
                    return Ok(false);
                }
            }
            Ok(self.client(Token::Withheld).args(["ping"]).output().is_ok_and(|said| said.status.success()))
        })
    }

    /// The last lines that every container wrote.
    pub(crate) fn logged(&self) -> String {
        let mut logs = self.compose(&["logs", "--no-color", "--tail", "40"]);
        output(&mut logs).unwrap_or_else(|error| format!("there are no logs: {error:#}"))
    }
}

impl Drop for Platform<'_> {
    fn drop(&mut self) {
        if let Err(error) = run(&mut self.compose(&["down", "--volumes", "--remove-orphans"])) {
            eprintln!("{} could not be taken down: {error:#}", self.project);
        }
    }
}

/// Whether a caller carries the API's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Shown,
    Withheld,
}

/// Waits for a condition; an error of it ends the wait.
#[allow(clippy::disallowed_methods)] // a guard against hanging, and the pause between two looks at containers
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = std::time::Instant::now();
    while !condition().with_context(|| format!("while waiting for: {what}"))? {
        ensure!(began.elapsed() < GUARD, "no {what} within {GUARD:?}");
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Lets time pass in which something is cut off.
#[allow(clippy::disallowed_methods)] // the length of the cut is what is tested; nothing is waited for
pub(crate) fn let_pass(time: Duration) {
    std::thread::sleep(time);
}

/// Fails where a container of this workspace's platform is still there.
pub(crate) fn nothing_is_left() -> Result<()> {
    let left = docker(&["ps", "--all", "--quiet", "--filter", &label("project", &project())])?;
    ensure!(left.is_empty(), "containers were not taken down: {left}");
    Ok(())
}

fn label(name: &str, value: &str) -> String {
    format!("label=com.docker.compose.{name}={value}")
}

fn changes() -> String {
    let faults = plans::FAULTS.map(|fault| format!("--fail, \"{fault}\"")).join(", ");
    format!("services:\n  trip-worker:\n    command: [example, trip-worker, {faults}]\n")
}

fn free_port() -> Result<u16> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(socket.local_addr().context("find a free port")?.port())
}

fn project() -> String {
    // FNV-1a, over the workspace's folder.
    let place = Path::as_os_str(&root()).as_encoded_bytes().to_vec();
    let mark = place.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("holdfast-test-{:08x}", mark & 0xffff_ffff)
}
