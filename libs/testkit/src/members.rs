//! The platform spread out: its roles as processes that find each other.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::{ChildError, ChildGuard, Sign, holdfast};

/// How long a process may take to say where it listens, on a machine that is busy.
const START: Duration = Duration::from_secs(60);

/// A role of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The façade of the journal's store.
    Checkpoint,
    /// The registry of workers.
    Health,
    /// The front of the key table.
    Idempotency,
    /// A worker, with whatever tools the setting gives it.
    Worker,
    /// The public API, and the drivers of tasks.
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

    /// How the others are told where it is; none: it registers by itself, or nobody looks for it.
    const fn joined_by(self) -> Option<&'static str> {
        match self {
            Self::Checkpoint => Some("HOLDFAST_JOIN__CHECKPOINT"),
            Self::Health => Some("HOLDFAST_JOIN__HEALTH"),
            Self::Idempotency => Some("HOLDFAST_JOIN__IDEMPOTENCY"),
            Self::Worker | Self::Orchestrator => None,
        }
    }
}

/// What all members of a platform share.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The binary.
    pub binary: PathBuf,
    /// The folder in which they run.
    pub folder: PathBuf,
    /// The file to which all of them write their logs.
    pub log: PathBuf,
    /// Settings beyond the defaults: where PostgreSQL and Redis are, at least.
    pub environment: Vec<(&'static str, String)>,
    /// The arguments that make the binary a worker.
    pub worker: Vec<OsString>,
}

/// Why a member does not do what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Its log can't be opened.
    #[error("can't open the log")]
    Log(#[from] io::Error),
    /// Its process does not start, does not say where it listens, or does not end.
    #[error("{role:?}; what the members wrote:\n{logged}")]
    Process {
        /// What it is.
        role: Role,
        /// What all members wrote.
        logged: String,
        /// What is wrong with the process.
        #[source]
        source: ChildError,
    },
    /// There is none, or it said nothing of where it listens.
    #[error("there is no {role:?} {which}")]
    Missing {
        /// What was asked for.
        role: Role,
        /// Which of them, from 0.
        which: usize,
    },
}

#[derive(Debug)]
struct Member {
    role: Role,
    address: String,
    metrics: String,
    process: ChildGuard,
}

/// The processes of a platform, in the order in which they were added; killed when this is dropped.
///
/// The waits block their thread, as those of [`ChildGuard`] do.
#[derive(Debug)]
pub struct Members {
    setting: Setting,
    members: Vec<Member>,
}

impl Members {
    /// A platform that has no members yet.
    #[must_use]
    pub const fn new(setting: Setting) -> Self {
        Self { setting, members: Vec::new() }
    }

    /// Starts a member that joins those that are there, and waits until it listens. A free port of the loopback is its
    /// own from then on.
    ///
    /// # Errors
    /// [`MemberError`].
    pub fn add(&mut self, role: Role) -> Result<(), MemberError> {
        let member = self.launch(role, "127.0.0.1:0", &[])?;
        self.members.push(member);
        Ok(())
    }

    /// Kills a member with SIGKILL.
    ///
    /// # Errors
    /// [`MemberError`].
    pub fn kill(&mut self, role: Role, which: usize) -> Result<(), MemberError> {
        self.with(role, which, |process| process.kill().map(drop))
    }

    /// Starts a member again that has ended, where its peers look for it.
    ///
    /// # Errors
    /// [`MemberError`].
    pub fn start_again(&mut self, role: Role, which: usize) -> Result<(), MemberError> {
        self.start_again_with(role, which, &[])
    }

    /// The same, with settings of its own.
    ///
    /// # Errors
    /// [`MemberError`].
    pub fn start_again_with(
        &mut self,
        role: Role,
        which: usize,
        settings: &[(&str, String)],
    ) -> Result<(), MemberError> {
        let address = self.address(role, which)?.to_owned();
        let member = self.launch(role, &address, settings)?;
        *self.nth(role, which)? = member;
        Ok(())
    }

    /// Sends a signal to a member.
    ///
    /// # Errors
    /// [`MemberError`].
    pub fn send(&mut self, role: Role, which: usize, sign: Sign) -> Result<(), MemberError> {
        self.with(role, which, |process| process.send(sign))
    }

    /// Waits for the end of a member that was told to stop.
    ///
    /// # Errors
    /// [`MemberError`].
    pub fn wait(&mut self, role: Role, which: usize, within: Duration) -> Result<ExitStatus, MemberError> {
        self.with(role, which, |process| process.wait(within))
    }

    /// Where a member listens.
    ///
    /// # Errors
    /// [`MemberError::Missing`].
    pub fn address(&self, role: Role, which: usize) -> Result<&str, MemberError> {
        self.addresses(role).nth(which).ok_or(MemberError::Missing { role, which })
    }

    /// What all members wrote to stderr.
    #[must_use]
    pub fn logged(&self) -> String {
        std::fs::read(&self.setting.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Where the members of a role listen.
    pub fn addresses(&self, role: Role) -> impl Iterator<Item = &str> {
        self.of(role).map(|member| member.address.as_str())
    }

    /// Where Prometheus reads the members of a role.
    pub fn metrics(&self, role: Role) -> impl Iterator<Item = &str> {
        self.of(role).map(|member| member.metrics.as_str())
    }

    fn of(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.role == role)
    }

    fn nth(&mut self, role: Role, which: usize) -> Result<&mut Member, MemberError> {
        let mut of_role = self.members.iter_mut().filter(|member| member.role == role);
        of_role.nth(which).ok_or(MemberError::Missing { role, which })
    }

    fn with<T>(
        &mut self,
        role: Role,
        which: usize,
        act: impl FnOnce(&mut ChildGuard) -> Result<T, ChildError>,
    ) -> Result<T, MemberError> {
        let done = act(&mut self.nth(role, which)?.process);
        done.map_err(|source| self.failed(role, source))
    }

    fn failed(&self, role: Role, source: ChildError) -> MemberError {
        MemberError::Process { role, logged: self.logged(), source }
    }

    fn launch(&self, role: Role, listen: &str, settings: &[(&str, String)]) -> Result<Member, MemberError> {
        let mut command = self.command(role);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command.args(["--listen", listen, "--metrics", "127.0.0.1:0", "--print-addresses"]);
        command.stderr(File::options().create(true).append(true).open(&self.setting.log)?);
        let process = ChildGuard::start(command).map_err(|source| self.failed(role, source))?;
        let said = process.addresses(START).map_err(|source| self.failed(role, source))?;
        let at = |service: &str| said[service].as_str().map(str::to_owned);
        match (at(role.name()), at("metrics")) {
            (Some(address), Some(metrics)) => Ok(Member { role, address, metrics, process }),
            _ => Err(MemberError::Missing { role, which: 0 }),
        }
    }

    fn command(&self, role: Role) -> Command {
        let mut command = holdfast(&self.setting.binary, &self.setting.folder);
        command.envs(self.setting.environment.iter().map(|(name, value)| (name, value)));
        for joined in [Role::Checkpoint, Role::Idempotency, Role::Health] {
            if let Some(variable) = joined.joined_by() {
                command.env(variable, self.addresses(joined).collect::<Vec<_>>().join(","));
            }
        }
        match role {
            Role::Worker => command.args(&self.setting.worker),
            role => command.args(["serve", role.name()]),
        };
        command
    }
}
