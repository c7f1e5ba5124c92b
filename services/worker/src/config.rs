//! The worker's section of the configuration.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use holdfast_runtime::Secret;
use holdfast_runtime::config::human_duration;
use holdfast_types::ToolName;
use serde::{Deserialize, Serialize};

/// How a worker is set up. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen at; port 0 takes a free one. Default: loopback, 7421.
    pub listen: SocketAddr,
    /// `HOST:PORT` at which others reach this worker; empty: the bound address where that is loopback, else the
    /// machine's name and the bound port.
    pub advertise: String,
    /// How many calls run at once.
    pub slots: usize,
    /// How many calls may wait for a slot; one more is refused (`NO_CAPACITY`).
    pub queue: usize,
    /// How long a call goes on without an attached driver.
    #[serde(with = "human_duration")]
    pub reattach_grace: Duration,
    /// How long a result is kept that nobody acknowledged.
    #[serde(with = "human_duration")]
    pub result_retention: Duration,
    /// How often an attached driver hears of a running call.
    #[serde(with = "human_duration")]
    pub heartbeat: Duration,
    /// How long a tool that was told to stop may take to end by itself, before its work is dropped.
    #[serde(with = "human_duration")]
    pub stop_grace: Duration,
    /// Which of the built-in tools are hosted.
    pub builtin: Builtin,
    /// What the built-in tools may touch.
    pub grants: Grants,
}

impl Default for Config {
    /// The values of DESIGN section 13.
    fn default() -> Self {
        Self {
            listen: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7421)),
            advertise: String::new(),
            slots: 25,
            queue: 100,
            reattach_grace: Duration::from_secs(15),
            result_retention: Duration::from_secs(300),
            heartbeat: Duration::from_secs(5),
            stop_grace: Duration::from_millis(500),
            builtin: Builtin::All,
            grants: Grants::default(),
        }
    }
}

/// Which of the built-in tools a worker hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// All of them; what they may touch is still for [`Grants`] to say.
    All,
    /// None.
    None,
}

/// What the built-in tools may touch: nothing, unless it stands here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Programs that `process_exec` may start: a name that is looked up in the worker's `PATH`, or an absolute path.
    pub exec: Vec<String>,
    /// Files and folders (with all below them) that may be read.
    pub read: Vec<String>,
    /// Files and folders (with all below them) that may be written.
    pub write: Vec<String>,
    /// Hosts that `http_request` may call: `HOST` (any port), `HOST:PORT`, or `*.DOMAIN`.
    pub hosts: Vec<String>,
    /// Secrets by name, each with the tools that may have it.
    pub secrets: BTreeMap<String, SecretGrant>,
}

/// One secret, and who may have it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretGrant {
    /// The secret itself.
    pub value: Secret,
    /// The tools whose calls may name it.
    pub tools: Vec<ToolName>,
}
